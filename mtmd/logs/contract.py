"""The log contract: three day-partitioned tables, their columns and their DuckDB types (docs/your-own-logs.md)."""

from mtmd.config import Declarations, Domains, SideSchema
from mtmd.errors import ConfigError

TABLES = ("requests", "ads", "candidates")

_REQUESTS = {"request_id": "BIGINT", "ts": "TIMESTAMP", "surface": "VARCHAR", "user_id": "BIGINT"}
_ADS = {"ad_id": "BIGINT", "product": "VARCHAR", "goal": "VARCHAR", "bid": "FLOAT"}
CANDIDATE_KEYS = {"request_id": "BIGINT", "ad_id": "BIGINT"}
OUTCOMES = {
    "impressed": "BOOLEAN",
    "position": "INTEGER",
    "clicked": "BOOLEAN",
    "good_clicked": "BOOLEAN",
    "outbound_clicked": "BOOLEAN",
    "hidden": "BOOLEAN",
    "repinned": "BOOLEAN",
}
_JOINED = {"surface": "VARCHAR", "product": "VARCHAR"}  # what a query of candidates has from the other tables


def table_columns(declarations: Declarations) -> dict[str, dict[str, str]]:
    """Columns and DuckDB types of each table, as they are read; order carries no meaning.

    Some columns may be missing: `optional_columns`. Files may have narrower types: `mtmd/logs/columns.py`. A feature
    declared on a contract column (`user_id`, `goal`, …) adds no column. Raises ConfigError when its type is another
    one, when a task has the name of a contract column, and as `outcome_columns` does.
    """
    domains = declarations.domains
    if taken := sorted(set(domains.task_names) & (CANDIDATE_KEYS | OUTCOMES | _JOINED).keys()):
        raise ConfigError(f"tasks {taken} have names of contract columns of candidates; rename the tasks")
    return {
        "requests": _features("requests", declarations.query, _REQUESTS) | _REQUESTS,
        "ads": _features("ads", declarations.item, _ADS) | _ADS,
        "candidates": CANDIDATE_KEYS | _scores(domains) | outcome_columns(domains),
    }


def outcome_columns(domains: Domains) -> dict[str, str]:
    """Columns of `candidates` that say what happened: the contract's own, then the labels that tasks bring themselves.

    Raises ConfigError for a label that is a column of another type, such as a key, a position or a score.
    """
    labels = dict.fromkeys((task.label for task in domains.tasks), "BOOLEAN")
    columns = CANDIDATE_KEYS | _JOINED | _scores(domains) | OUTCOMES
    for task in domains.tasks:
        if columns.get(task.label, "BOOLEAN") != "BOOLEAN":
            booleans = [name for name, kind in OUTCOMES.items() if kind == "BOOLEAN"]
            raise ConfigError(
                f"task {task.name!r} has label {task.label!r}; it must be one of {booleans}, or a boolean column of "
                f"your own: candidates have a {task.label} that is {columns[task.label]}; give the label another name"
            )
    return OUTCOMES | labels


def optional_columns(domains: Domains) -> frozenset[str]:
    """Columns of `candidates` that logs may lack: the contract's outcomes that are the label of no task.

    A missing one is read as nulls. `impressed` is always needed, because labels are defined for shown ads only.
    """
    return frozenset(OUTCOMES) - {"impressed"} - {task.label for task in domains.tasks}


def _scores(domains: Domains) -> dict[str, str]:
    return dict.fromkeys(domains.task_names, "FLOAT")


def _features(table: str, side: SideSchema, contract: dict[str, str]) -> dict[str, str]:
    for column, declared in side.columns.items():
        if (kind := contract.get(column, declared)) != declared:
            raise ConfigError(
                f"feature {column!r} has type {declared}, and the contract's {table}."
                f"{column} is {kind}; set its type to {kind}, or give the feature another name"
            )
    return side.columns
