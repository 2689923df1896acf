"""The log contract: three day-partitioned tables, their columns and their DuckDB types (docs/contract.md)."""

from mtmd.config import Declarations

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

    A feature declared on a contract column (`user_id`, `goal`, …) adds no column.
    """
    query = {feature.name: feature.column_type for feature in declarations.query.fields}
    item = {feature.name: feature.column_type for feature in declarations.item.fields}
    scores = dict.fromkeys(declarations.domains.task_names, "FLOAT")
    return {
        "requests": query | _REQUESTS,
        "ads": item | _ADS,
        "candidates": _CANDIDATES | scores | _OUTCOMES,
    }
