"""Candidates of any contract logs as arrays, day after day: codes, numbers and labels of request and ad side by side.

Shapes: N candidates, M numbers, T tasks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mtmd.config import Declarations
from mtmd.errors import LogsError
from mtmd.extras.kuairand.teacher.layout import coded_features, field_name, row_bytes
from mtmd.extras.kuairand.teacher.log_numbers import SideRows, log_numbers
from mtmd.extras.kuairand.teacher.outcomes import day_outcomes, task_lags, task_parents
from mtmd.extras.kuairand.teacher.rows import Bools, Ints, TeachingRows


class ValueCodes:
    """Values of one column in the order in which they appear: 1, 2, …; 0 is a null."""

    def __init__(self) -> None:
        self._codes: dict[Any, int] = {}

    def __len__(self) -> int:
        return len(self._codes)

    def of(self, values: pa.ChunkedArray | pa.Array) -> Ints:
        """(N,) the code of each value; new values get new codes."""
        array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        coded = pc.dictionary_encode(array)
        codes = [
            self._codes.setdefault(value, len(self._codes) + 1) for value in coded.dictionary.to_pylist()
        ]
        table = np.array([*codes, 0], np.int64)  # the last one is the null's
        return np.asarray(table[pc.fill_null(coded.indices, len(codes)).to_numpy(zero_copy_only=False)])


def most_frequent(codes: Ints, most: int) -> Ints:
    """(N,) the same rows with the `most` codes above 0 that occur most, numbered anew; all others are 0."""
    counts = np.bincount(codes)
    counts[:1] = 0
    kept = np.argsort(-counts, kind="stable")[:most]
    kept = np.sort(kept[counts[kept] > 0])
    table = np.zeros(len(counts), np.int64)
    table[kept] = np.arange(1, len(kept) + 1)
    return np.asarray(table[codes])


_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class LogRows:
    """All candidates of all days, by day and then by key.

    codes      (N,) int32 by field: `user`, `ad`, `surface`, `product`, `hour`, and categorical features as
               `query.<name>` or `item.<name>`; 0 is missing
    static     (N, M) float32, NaN where missing
    shown      (N,);  exists (N, T): whether the product has the task
    known      (N, T): whether the label is there and final;  lags (T,): as in `task_lags`
    teaching   the same rows, as a teacher is given them
    """

    codes: dict[str, NDArray[np.int32]]
    static: NDArray[np.float32]
    shown: Bools
    exists: Bools
    known: Bools
    lags: Ints
    teaching: TeachingRows

    def __len__(self) -> int:
        return len(self.shown)


class LogReader:
    """Takes days, oldest first, and holds their rows: at most `limit` bytes of what a fit needs."""

    def __init__(self, declarations: Declarations, maturity: Mapping[str, int], limit: int) -> None:
        self._declarations = declarations
        self._lags = task_lags(declarations.domains, maturity)
        self._limit = limit
        self.row_bytes = row_bytes(declarations)
        self._values: dict[str, ValueCodes] = {}
        self._codes: dict[str, list[NDArray[np.int32]]] = {}
        self._static: list[NDArray[np.float32]] = []
        self._outcomes: list[tuple[Bools, Bools, Bools]] = []
        self._days: list[tuple[int, int]] = []

    def add(self, day: date, tables: Mapping[str, pa.Table]) -> None:
        """Read a day's tables. Raises LogsError for labels and features that are not as declared, or too many rows."""
        requests, ads, candidates = tables["requests"], tables["ads"], tables["candidates"]
        request = _rows_of(candidates["request_id"], requests["request_id"])  # (N,)
        ad = _rows_of(candidates["ad_id"], ads["ad_id"])
        domains = self._declarations.domains
        surface = _rows_of(requests["surface"], pa.array(domains.surfaces))[request]
        product = _rows_of(ads["product"], pa.array(domains.products))[ad]
        hour = pc.hour(requests["ts"]).to_numpy().astype(np.int64)[request]
        codes = {
            "user": self._coded("user", requests["user_id"])[request],
            "ad": self._coded("ad", ads["ad_id"])[ad],
            "surface": surface + 1,
            "product": product + 1,
            "hour": hour + 1,
        }
        sides = (
            SideRows(self._declarations.query, requests, request),
            SideRows(self._declarations.item, ads, ad),
        )
        for schema, table, rows in sides:
            for feature in coded_features(schema):
                name = field_name(feature)
                codes[name] = self._coded(name, table[feature.name])[rows]
        for field, values in codes.items():
            self._codes.setdefault(field, []).append(values.astype(np.int32))
        self._static.append(log_numbers(self._declarations, sides, hour))
        outcomes = day_outcomes(candidates, product, domains, day)
        self._outcomes.append((outcomes.shown, outcomes.exists, outcomes.labels))
        self._days.append(((day - _EPOCH).days, len(request)))
        self._check_size(day)

    def rows(self) -> LogRows:
        """All rows that were added, which this reader then no longer holds."""
        domains = self._declarations.domains
        numbers, counts = np.array(self._days, np.int64).T
        day = np.repeat(numbers, counts)
        shown, exists, labels = (np.concatenate(parts) for parts in zip(*self._outcomes, strict=True))
        final = day[:, None] + self._lags <= day.max()  # (N, T)
        known = exists & shown[:, None] & final
        parents = task_parents(domains)
        happened = np.stack(
            [labels[:, p] if p is not None else np.ones(len(day), np.bool_) for p in parents], axis=1
        )
        codes = {field: np.concatenate(self._codes.pop(field)) for field in list(self._codes)}
        static, self._static = np.concatenate(self._static), []
        teaching = TeachingRows(day, labels, known & happened, domains.task_names, parents)
        return LogRows(codes, static, shown, exists, known, self._lags, teaching)

    def _coded(self, field: str, column: pa.ChunkedArray) -> Ints:
        return self._values.setdefault(field, ValueCodes()).of(column)

    def _check_size(self, day: date) -> None:
        rows = sum(count for _, count in self._days)
        if (needed := rows * self.row_bytes) > self._limit:
            raise LogsError(
                f"the {rows:,} candidates up to {day} need {needed / 2**30:.1f} GiB ({self.row_bytes:,} bytes each), "
                f"and the limit is {self._limit / 2**30:.1f} GiB; raise --memory-gib, or begin at a later --first-day"
            )


def _rows_of(keys: pa.ChunkedArray, among: pa.ChunkedArray | pa.Array) -> Ints:
    """(N,) the position of each key, which is there: keys are checked when a day is read."""
    values = among.combine_chunks() if isinstance(among, pa.ChunkedArray) else among
    return np.asarray(pc.index_in(keys, value_set=values).to_numpy().astype(np.int64))
