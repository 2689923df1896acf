"""The log contract: three day-partitioned tables, their columns and their DuckDB types (docs/contract.md)."""

from mtmd.config import Declarations, SideSchema
from mtmd.errors import ConfigError

TABLES = ("requests", "ads", "candidates")

_REQUESTS = {"request_id": "BIGINT", "ts": "TIMESTAMP", "surface": "VARCHAR", "user_id": "BIGINT"}
_ADS = {"ad_id": "BIGINT", "product": "VARCHAR", "goal": "VARCHAR", "bid": "FLOAT"}
_CANDIDATES = {"request_id": "BIGINT", "ad_id": "BIGINT"}
_OUTCOMES = {
    "impressed": "BOOLEAN",
    "position": "INTEGER",
    "clicked": "BOOLEAN",
    "good_clicked": "BOOLEAN",
    "outbound_clicked": "BOOLEAN",
    "hidden": "BOOLEAN",
    "repinned": "BOOLEAN",
}


def table_columns(declarations: Declarations) -> dict[str, dict[str, str]]:
    """Columns and exact DuckDB types of each table; order carries no meaning.

    A feature declared on a contract column (`user_id`, `goal`, …) adds no column. Raises ConfigError when its
    type is another one, or when a task has the name of a contract column.
    """
    scores = dict.fromkeys(declarations.domains.task_names, "FLOAT")
    if taken := sorted(scores.keys() & (_CANDIDATES | _OUTCOMES).keys()):
        raise ConfigError(f"tasks {taken} have names of contract columns of candidates; rename the tasks")
    return {
        "requests": _features("requests", declarations.query, _REQUESTS) | _REQUESTS,
        "ads": _features("ads", declarations.item, _ADS) | _ADS,
        "candidates": _CANDIDATES | scores | _OUTCOMES,
    }


def _features(table: str, side: SideSchema, contract: dict[str, str]) -> dict[str, str]:
    for feature in side.fields:
        if (kind := contract.get(feature.name, feature.column_type)) != feature.column_type:
            raise ConfigError(
                f"feature {feature.name!r} has type {feature.column_type}, and the contract's {table}."
                f"{feature.name} is {kind}; set its type to {kind}, or give the feature another name"
            )
    return {feature.name: feature.column_type for feature in side.fields}
