"""The three contract tables of one KuaiRand day, with features known when the day or the exposure began.

Outcomes become features only as sums over earlier days (`EarlierDays`).
"""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mtmd.config import Declarations
from mtmd.errors import ConfigError
from mtmd.extras.kuairand.rows import EPOCH, EarlierDays, Floats, Ints
from mtmd.extras.kuairand.source import (
    PRODUCTS,
    SURFACES,
    TASKS,
    Exposures,
    Source,
    products,
    video_attributes,
)
from mtmd.logs.contract import table_columns
from mtmd.logs.encoding import arrow_schema

Columns = dict[str, Any]
_NO_DATE = -1  # upload day of a video without one: the day before 1970: known of old, but with no age


class LogTables:
    """All days' exposures, ready to be cut by day.

    The exposures are in the order of time.
    Raises ConfigError when `declarations` want a column that KuaiRand has no value for, or another type.
    """

    def __init__(self, source: Source, exposures: Exposures, declarations: Declarations) -> None:
        self._source = source
        self._exposures = exposures
        self._schemas = {name: arrow_schema(columns) for name, columns in table_columns(declarations).items()}
        self._products = products(source.videos)
        self._uploaded = (
            pc.fill_null(source.videos["upload_dt"].cast(pa.int32()), _NO_DATE).to_numpy().astype(np.int64)
        )
        self._attributes = video_attributes(source.videos)
        outcomes = np.concatenate([np.ones((len(exposures), 1)), exposures.labels], axis=1)  # (N, 4)
        self._of_user = EarlierDays(exposures.user, exposures.day, outcomes)
        self._of_user_surface = EarlierDays(
            _beside_surface(exposures.user, exposures.surface), exposures.day, outcomes
        )
        self._of_video = EarlierDays(exposures.video, exposures.day, outcomes)

    def day(self, day: date) -> dict[str, pa.Table]:
        """The tables, by name, of one UTC day; the teachers' scores are null."""
        whole = (day - EPOCH).days
        rows = np.flatnonzero(self._exposures.day == whole)
        return {
            "requests": self._requests(rows),
            "ads": self._ads(whole, rows),
            "candidates": self._candidates(rows),
        }

    def _requests(self, rows: Ints) -> pa.Table:
        """One row per request; `ts` is its first exposure."""
        exposures = self._exposures
        request_id, first = np.unique(exposures.request_id[rows], return_index=True)
        rows = rows[first]
        user, surface, day = exposures.user[rows], exposures.surface[rows], exposures.day[rows]
        seen, clicked, good, entered = self._of_user.sums(user, day).T
        here_seen, here_clicked, _, _ = self._of_user_surface.sums(_beside_surface(user, surface), day).T
        columns: Columns = {
            name: self._source.users[name].take(user) for name in self._source.users.column_names
        }
        columns |= _outcome_features("user", seen, clicked, good, entered)
        columns |= {
            "request_id": request_id,
            "ts": (exposures.time_ms[rows] * 1000).astype("datetime64[us]"),
            "surface": pa.array(SURFACES).take(surface),
            "hour": exposures.hour[rows],
            "user_surface_impressions": here_seen,
            "user_surface_ctr": observed_rate(here_clicked, here_seen),
        }
        return self._table("requests", columns)

    def _ads(self, day: int, rows: Ints) -> pa.Table:
        """One row per video that was uploaded by that day, or was shown on it all the same."""
        known = self._uploaded <= day
        known[self._exposures.video[rows]] = True
        video = np.flatnonzero(known)
        seen, clicked, good, entered = self._of_video.sums(video, np.full(len(video), day)).T
        columns: Columns = {name: values.take(video) for name, values in self._attributes.items()}
        columns |= _outcome_features("ad", seen, clicked, good, entered)
        columns |= {
            "ad_id": columns["video_id"],
            "product": pa.array(PRODUCTS).take(self._products[video]),
            "goal": pa.array(["click"]).take(np.zeros(len(video), np.int64)),
            "bid": np.ones(len(video)),  # nobody bid for these videos: one price for all
            "age_days": _age(day, self._uploaded[video]),
        }
        return self._table("ads", columns)

    def _candidates(self, rows: Ints) -> pa.Table:
        """One row per exposure: all are impressed, in the order of time within their request."""
        exposures = self._exposures
        clicked, good, entered = exposures.labels[rows].T
        columns: Columns = {
            "request_id": exposures.request_id[rows],
            "ad_id": self._attributes["video_id"].take(exposures.video[rows]),
            "impressed": np.ones(len(rows), np.bool_),
            "position": pd.Series(rows).groupby(exposures.request_id[rows]).cumcount().to_numpy(),
            "clicked": clicked,
            "good_clicked": good,
            "outbound_clicked": entered,
            "hidden": exposures.hidden[rows],
            "repinned": exposures.liked[rows],  # the nearest that KuaiRand has to saving a pin
        } | dict.fromkeys(TASKS, pa.nulls(len(rows)))
        return self._table("candidates", columns)

    def _table(self, name: str, columns: Columns) -> pa.Table:
        schema = self._schemas[name]
        if missing := sorted(set(schema.names) - set(columns)):
            raise ConfigError(
                f"the preset declares {missing} of {name}, which KuaiRand lacks; use {sorted(columns)}"
            )
        return pa.table([_cast(name, columns[field.name], field) for field in schema], schema=schema)


def observed_rate(hits: Floats, trials: Floats) -> pa.Array:
    """hits / trials, null where nothing was seen: missing, not a magic number."""
    rate = np.divide(hits, trials, out=np.full(len(hits), np.nan), where=trials > 0)
    return pa.array(rate, from_pandas=True)


def _outcome_features(side: str, seen: Floats, clicked: Floats, good: Floats, entered: Floats) -> Columns:
    """What a user or an ad has to show of earlier days: counts of rows and clicks, and rates per row."""
    return {
        f"{side}_impressions": seen,
        f"{side}_clicks": clicked,
        f"{side}_ctr": observed_rate(clicked, seen),
        f"{side}_good_rate": observed_rate(good, seen),
        f"{side}_profile_rate": observed_rate(entered, seen),
    }


def _beside_surface(user: Ints, surface: Ints) -> Ints:
    return user * len(SURFACES) + surface


def _age(day: int, uploaded: Ints) -> pa.Array:
    """Days since the upload; at least 0, because the local upload date can be a UTC day ahead."""
    return pa.array(np.maximum(day - uploaded, 0), mask=uploaded == _NO_DATE)


def _cast(table: str, values: Any, field: pa.Field) -> pa.Array:
    array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
    try:
        return pc.cast(array, field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ConfigError(
            f"the preset declares {field.name} of {table} as {field.type}, and KuaiRand has {array.type}: {error}; "
            "declare a type that these values have, or, if presets of KuaiRand do so too, download KuaiRand-Pure again"
        ) from error
