"""A preset with lists of every kind: pooled in each way, shallow, lacking in a domain, sharing tables.

Some admit only values that were seen often enough.
"""

from typing import Any

from mtmd.config import Preset, load_preset


def _category(name: str, side: str, buckets: int, width: int, **more: Any) -> dict[str, Any]:
    return {"name": name, "side": side, "kind": "categorical", "buckets": buckets, "width": width, **more}


def _list(
    name: str, buckets: int, width: int, most: int, *, side: str = "query", **more: Any
) -> dict[str, Any]:
    return _category(name, side, buckets, width, max_length=most, **more) | {"kind": "multivalued"}


def _number(name: str, side: str = "query", **more: Any) -> dict[str, Any]:
    return {"name": name, "side": side, "kind": "continuous", **more}


FEATURES = [
    _category("country", "query", 9, 3, shallow=True, min_count=3),
    *(_number(name) for name in ("age", "spend", "wait")),
    _number("rank", domains=["search"]),
    _list("topics", 12, 3, 6, type="INTEGER", table="topic"),
    _list("recent_ads", 30, 4, 4, type="BIGINT", pooling="attention", min_count=2, table="ad_id"),
    _list("words", 20, 4, 5, domains=["search"]),
    _list("tags", 7, 2, 3, pooling="attention", shallow=True),
    _number("price", "item"),
    _category("ad_id", "item", 30, 4, type="BIGINT"),
    _category("topic", "item", 12, 3, type="INTEGER", shallow=True, min_count=8),
    _list("further_topics", 12, 3, 3, side="item", type="INTEGER", table="topic"),
]  # fmt: skip


def listed_preset() -> Preset:
    return Preset.model_validate(load_preset("tiny").model_dump() | {"name": "listed", "features": FEATURES})
