"""Rows that the exported files are checked with: encoded rows for parity, raw rows for the fresh process.

Parity gives the encoded rows of one tower domain to onnxruntime and to torch. Raw rows are as a server would be sent
them: read from the log files, not from the shard.
"""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
from pydantic import Field

from mtmd.config import Declarations, Feature, Frozen, SideSchema
from mtmd.extract.shards import Shard
from mtmd.extract.sources import source_rows
from mtmd.logs.encoding import EncodedSide
from mtmd.logs.lists import ACTIONS, AGES, EncodedList
from mtmd.logs.source import LogSource
from mtmd.model.batch import SideInput

Row = dict[str, Any]


def side_input(side: EncodedSide, domain: int, domains: int) -> SideInput:
    """All rows as rows of one domain, for a torch model."""
    rows = len(side)
    return SideInput.of(side, tuple(rows if index == domain else 0 for index in range(domains)))


def hard_rows(schema: SideSchema, unseen: int) -> EncodedSide:
    """What no shard is sure to have: one row with everything missing, and `unseen` rows of unseen ids.

    Ids run through each feature's buckets from the last one down, at a stride that differs per feature: most
    were never trained, and both ends of every table are read. Numbers of those rows are missing or far out. Lists are
    of one value, then as long as they may be, then shorter by one with each row.
    """
    rows = 1 + unseen
    side = EncodedSide.empty(rows, schema)
    side.continuous[:], side.embedding[:] = np.nan, np.nan
    side.categorical[:] = 0
    step = np.arange(unseen)
    for column, feature in enumerate(schema.categorical):
        buckets = feature.buckets or 1
        side.categorical[1:, column] = buckets - (step * (1 + buckets // max(unseen, 1))) % buckets
    side.continuous[1:] = np.where(step % 2, 1e6, -1e6)[:, None]
    side.embedding[1 + unseen // 2 :] = 1.0
    return replace(side, lists=tuple(_hard_lists(feature, unseen) for feature in schema.lists))


def _hard_lists(feature: Feature, unseen: int) -> EncodedList:
    longest, buckets = feature.max_length or 1, feature.buckets or 1
    length = np.array([0, 1, *(longest - step % longest for step in range(unseen - 1))], np.int32)[
        : 1 + unseen
    ]
    total = int(length.sum())
    ids = (buckets - np.arange(total) % buckets).astype(np.int32)
    step = np.arange(total)
    beside: dict[str, Any] = {
        "weights": (step % 5).astype(np.float32),
        "actions": (1 + step % ACTIONS).astype(np.int32),
        "ages": (1 + step % AGES).astype(np.int32),
    }
    given = {what: beside[what] for what in feature.companions}
    return EncodedList(np.cumsum(length, dtype=np.int64) - length, length, ids, **given)


class RawRows(Frozen):
    """Requests and ads with the raw values of their features, ready to be JSON (a NaN is a null)."""

    requests: tuple[Row, ...] = Field(description="`request_id`, `surface` and the query features")
    ads: tuple[Row, ...] = Field(description="`ad_id`, `product`, `bid` and the item features")


def sample_raw_rows(
    source: LogSource, shard: Shard, declarations: Declarations, *, per_domain: int = 4
) -> RawRows:
    """Some rows of every surface and every product of the shard's day, read from its log files."""
    requests = _sample(shard.request_id.numpy(), shard.surface.numpy(), per_domain)
    ads = _sample(shard.ad_id.numpy(), shard.product.numpy(), per_domain)
    return RawRows(
        requests=_read(source, "requests", shard.day, ("request_id", "surface"), requests, declarations),
        ads=_read(source, "ads", shard.day, ("ad_id", "product", "bid"), ads, declarations),
    )


def _sample(keys: np.ndarray[Any, Any], domain: np.ndarray[Any, Any], per_domain: int) -> list[int]:
    """Keys at even distances through the rows of each domain."""
    chosen: list[int] = []
    for index in np.unique(domain):
        of_domain = keys[domain == index]
        places = np.linspace(0, len(of_domain) - 1, min(per_domain, len(of_domain))).round().astype(np.int64)
        chosen += of_domain[places].tolist()
    return chosen


def _read(
    source: LogSource,
    table: str,
    day: date,
    columns: tuple[str, ...],
    keys: list[int],
    declarations: Declarations,
) -> tuple[Row, ...]:
    schema = declarations.query if table == "requests" else declarations.item
    names = list(dict.fromkeys((*columns, *schema.columns)))
    rows = source_rows(source, table, day, declarations, columns[0], keys)
    return tuple({name: _plain(row[name]) for name in names} for row in rows)


def _plain(value: Any) -> Any:
    """JSON has no NaN; a vector that lacks a component is missing as a whole, as `mtmd.logs.encoding` has it."""
    if isinstance(value, list):
        vector = [_plain(component) for component in value]
        return None if None in vector else vector
    return None if isinstance(value, float) and value != value else value  # noqa: PLR0124 - NaN differs from itself
