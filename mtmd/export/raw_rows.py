"""Raw rows of a day, as a server would be sent them: read from the log files, not from the shard."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from mtmd.config import Declarations, Frozen, SideSchema
from mtmd.data import Shard
from mtmd.data.sources import source_rows

Row = dict[str, Any]


class RawRows(Frozen):
    """Requests and ads with the raw values of their features, ready to be JSON (a NaN is a null)."""

    requests: tuple[Row, ...] = Field(description="`request_id`, `surface` and the query features")
    ads: tuple[Row, ...] = Field(description="`ad_id`, `product` and the item features")


def sample_raw_rows(
    logs: str | Path, shard: Shard, declarations: Declarations, *, per_domain: int = 4
) -> RawRows:
    """Some rows of every surface and every product of the shard's day, read from its log files."""
    requests = _sample(shard.request_id.numpy(), shard.surface.numpy(), per_domain)
    ads = _sample(shard.ad_id.numpy(), shard.product.numpy(), per_domain)
    return RawRows(
        requests=_read(
            logs,
            "requests",
            shard.day,
            own=("request_id", "surface"),
            keys=requests,
            schema=declarations.query,
        ),
        ads=_read(logs, "ads", shard.day, own=("ad_id", "product"), keys=ads, schema=declarations.item),
    )


def _sample(keys: np.ndarray[Any, Any], domain: np.ndarray[Any, Any], per_domain: int) -> list[int]:
    """Keys at even distances through the rows of each domain."""
    chosen: list[int] = []
    for index in np.unique(domain):
        own = keys[domain == index]
        places = np.linspace(0, len(own) - 1, min(per_domain, len(own))).round().astype(np.int64)
        chosen += own[places].tolist()
    return chosen


def _read(
    logs: str | Path, table: str, day: date, *, own: tuple[str, str], keys: list[int], schema: SideSchema
) -> tuple[Row, ...]:
    names = list(dict.fromkeys((*own, *(feature.name for feature in schema.fields))))
    rows = source_rows(logs, table, day, own[0], keys)
    return tuple({name: _plain(row[name]) for name in names} for row in rows)


def _plain(value: Any) -> Any:
    """JSON has no NaN."""
    if isinstance(value, list):
        return [_plain(component) for component in value]
    return None if isinstance(value, float) and value != value else value  # noqa: PLR0124 - NaN differs from itself
