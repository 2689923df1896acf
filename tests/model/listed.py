"""A preset with lists of every kind: weighted, pooled in each way, shallow, lacking in a domain, sharing tables.

Some lists have actions and ages, and some admit only values that were seen often enough.
"""

from mtmd.config import Preset, load_preset

FEATURES = [
    {
        "name": "country",
        "side": "query",
        "kind": "categorical",
        "buckets": 9,
        "width": 3,
        "shallow": True,
        "min_count": 3,
    },
    {"name": "age", "side": "query", "kind": "continuous"},
    {"name": "spend", "side": "query", "kind": "continuous"},
    {"name": "wait", "side": "query", "kind": "continuous"},
    {
        "name": "rank",
        "side": "query",
        "kind": "continuous",
        "domains": ["search"],
    },
    {
        "name": "topics",
        "side": "query",
        "kind": "multivalued",
        "type": "INTEGER",
        "buckets": 12,
        "width": 3,
        "max_length": 6,
        "weights": "topic_weights",
        "actions": "topic_actions",
        "table": "topic",
    },
    {
        "name": "recent_ads",
        "side": "query",
        "kind": "multivalued",
        "type": "BIGINT",
        "buckets": 30,
        "width": 4,
        "max_length": 4,
        "pooling": "attention",
        "actions": "ad_actions",
        "ages": "ad_ages",
        "min_count": 2,
        "table": "ad_id",
    },
    {
        "name": "words",
        "side": "query",
        "kind": "multivalued",
        "buckets": 20,
        "width": 4,
        "max_length": 5,
        "pooling": "max",
        "ages": "word_ages",
        "domains": ["search"],
    },
    {
        "name": "tags",
        "side": "query",
        "kind": "multivalued",
        "buckets": 7,
        "width": 2,
        "max_length": 3,
        "pooling": "sum",
        "weights": "tag_weights",
        "shallow": True,
    },
    {"name": "price", "side": "item", "kind": "continuous"},
    {"name": "ad_id", "side": "item", "kind": "categorical", "type": "BIGINT", "buckets": 30, "width": 4},
    {
        "name": "topic",
        "side": "item",
        "kind": "categorical",
        "type": "INTEGER",
        "buckets": 12,
        "width": 3,
        "shallow": True,
        "min_count": 8,
    },
    {
        "name": "further_topics",
        "side": "item",
        "kind": "multivalued",
        "type": "INTEGER",
        "buckets": 12,
        "width": 3,
        "max_length": 3,
        "pooling": "sum",
        "table": "topic",
    },
]


def listed_preset() -> Preset:
    """The preset tiny with these features instead of its own."""
    return Preset.model_validate(load_preset("tiny").model_dump() | {"name": "listed", "features": FEATURES})
