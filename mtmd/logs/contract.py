"""The log contract: three day-partitioned tables, their columns and their DuckDB types (docs/your-own-logs.md)."""

from mtmd.config import Declarations, Domains, IdsConfig, IdType, SideSchema
from mtmd.errors import ConfigError

TABLES = ("requests", "ads", "candidates")

_REQUESTS = {"request_id": "BIGINT", "ts": "TIMESTAMP", "surface": "VARCHAR", "user_id": "BIGINT"}
_ADS = {"ad_id": "BIGINT", "product": "VARCHAR", "goal": "VARCHAR", "bid": "FLOAT"}
CANDIDATE_KEYS = {"request_id": "BIGINT", "ad_id": "BIGINT"}  # the types of keys and users are those of [ids]
ID_COLUMNS = {  # of each table, with the keys of [ids]
    "requests": {"request_id": "request", "user_id": "user"},
    "ads": {"ad_id": "ad"},
    "candidates": {"request_id": "request", "ad_id": "ad"},
}
OUTCOMES = {
    "impressed": "BOOLEAN",
    "position": "INTEGER",
    "clicked": "BOOLEAN",
    "good_clicked": "BOOLEAN",
    "outbound_clicked": "BOOLEAN",
    "hidden": "BOOLEAN",
    "repinned": "BOOLEAN",
}
# how a candidate came to be scored; logs without it have chosen ones only
HOW_FOUND = {"explored": "BOOLEAN"}
# what a query of candidates has from the other tables
_JOINED = {"surface": "VARCHAR", "product": "VARCHAR"} | dict.fromkeys(
    ("request_known", "ad_known"), "made by the join with other tables"
)
# the number of rows, where validation has a task's mean score under the task's name
_COUNTED = {"candidates"}


def table_columns(declarations: Declarations) -> dict[str, dict[str, str]]:
    """Columns and DuckDB types of each table, as they are read; order carries no meaning.

    Some columns may be missing: `optional_columns`. Files may have narrower types: `mtmd/logs/columns.py`. A feature
    declared on a contract column (`user_id`, `goal`, …) adds no column. Raises ConfigError when its type is another
    one, when a task has the name of a contract column, and as `outcome_columns` does.
    """
    domains = declarations.domains
    own = CANDIDATE_KEYS | HOW_FOUND | OUTCOMES | _JOINED
    if taken := sorted(set(domains.task_names) & (own.keys() | _COUNTED)):
        raise ConfigError(
            f"tasks {taken} have names that logs or their checks have already; rename the tasks"
        )
    ids = {table: id_types(table, declarations.ids) for table in TABLES}
    requests, ads = _REQUESTS | ids["requests"], _ADS | ids["ads"]
    return {
        "requests": _features("requests", declarations.query, requests) | requests,
        "ads": _features("ads", declarations.item, ads) | ads,
        "candidates": ids["candidates"] | _scores(domains) | outcome_columns(domains) | HOW_FOUND,
    }


def id_types(table: str, ids: IdsConfig) -> dict[str, IdType]:
    """The columns of a table that are ids, with their types."""
    return {column: getattr(ids, whose) for column, whose in ID_COLUMNS[table].items()}


def outcome_columns(domains: Domains) -> dict[str, str]:
    """Columns of `candidates` that say what happened: the contract's own, then the labels that tasks bring themselves.

    Raises ConfigError for a label that is a column of another type, such as a key, a position or a score.
    """
    labels = dict.fromkeys((task.label for task in domains.tasks), "BOOLEAN")
    columns = dict.fromkeys(CANDIDATE_KEYS, "an id") | _JOINED | _scores(domains) | OUTCOMES
    columns |= dict.fromkeys(HOW_FOUND, "how the row was found")
    for task in domains.tasks:
        if columns.get(task.label, "BOOLEAN") != "BOOLEAN":
            booleans = [name for name, kind in OUTCOMES.items() if kind == "BOOLEAN"]
            raise ConfigError(
                f"task {task.name!r} has label {task.label!r}; it must be one of {booleans}, or a boolean column of "
                f"your own: candidates have a {task.label} that is {columns[task.label]}; give the label another name"
            )
    return OUTCOMES | labels


def optional_columns(domains: Domains) -> frozenset[str]:
    """Columns of `candidates` that logs may lack: `explored`, and the contract's outcomes that are no task's label.

    A missing one is read as nulls; a null `explored` is false. `impressed` is always needed, because labels are defined
    for shown ads only.
    """
    return frozenset(OUTCOMES | HOW_FOUND) - {"impressed"} - {task.label for task in domains.tasks}


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
