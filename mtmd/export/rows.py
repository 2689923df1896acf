"""Rows that the exported files are checked with: encoded rows for parity, raw rows for the fresh process.

Parity gives the encoded rows of one tower domain to onnxruntime and to torch. Raw rows are as a server would be sent
them: read from the log files, not from the shard.
"""

from datetime import date
from typing import Any

import numpy as np
from pydantic import Field

from mtmd.config import Declarations, Frozen, SideSchema
from mtmd.extract.shards import Shard
from mtmd.extract.sources import source_rows
from mtmd.logs.encoding import EncodedSide
from mtmd.logs.source import LogSource
from mtmd.model.batch import SideInput

Row = dict[str, Any]


def side_input(side: EncodedSide, domain: int, domains: int) -> SideInput:
    """All rows as rows of one domain, for a torch model."""
    rows = len(side)
    return SideInput.of(side, tuple(rows if index == domain else 0 for index in range(domains)))


def hard_rows(schema: SideSchema, unseen: int) -> EncodedSide:
    """What no shard is sure to have: one row with everything missing, and `unseen` rows as each kind makes them."""
    return EncodedSide.filled(schema, 1 + unseen, lambda feature: feature.hard_rows(unseen))


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
