"""The text of a proposal: the preset, and a statement for each table."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from mtmd.extras.proposal.features import ProposedFeature, ProposedFeatures
from mtmd.extras.proposal.looks import Look, LookedAt, read_csv_sql
from mtmd.extras.proposal.names import in_comment, preset_names, sql_as, toml_list, toml_text
from mtmd.extras.proposal.places import TablePlace
from mtmd.extras.proposal.roles import Roles, id_sql, id_type
from mtmd.extras.proposal.tasks import ProposedTask
from mtmd.logs.contract import OUTCOMES
from mtmd.logs.sql import sql_name

_ROOT_WIDTH, _CHILD_WIDTH = 64, 32
_USUAL_WINDOW, _LEAST_WINDOW, _FULL_WINDOW = 24, 7, 20
_SMALL = {"SMALLINT", "USMALLINT", "TINYINT", "UTINYINT"}
_POSITIONS = {"INTEGER", *_SMALL}  # read as INTEGER without a cast
_KEYS = {"request_id", "ad_id", "impressed", "position", "explored", "surface", "product"}
_ROWS_OF = {
    "requests": "one row per ad request of one day",
    "ads": "one row per ad as known at the start of one day",
    "candidates": "one row per (request, ad) that the heavyweight ranker scored",
}


def request_columns(roles: Roles) -> list[str]:
    """SQL of the contract's columns of requests."""
    user = "cast(null as bigint) as user_id, -- no column names the user: write it here if there is one"
    return [
        id_sql(roles.request.own, roles.request.kind, "request_id"),
        _named(roles.time.sql, "ts"),
        roles.surface.sql("surface"),
        user if roles.user is None else _user(roles.user),
    ]


def _user(look: Look) -> str:
    """An empty text is no id: many logs have it where the user is not known, which is null here.

    In a CSV file of another day, users may be read as numbers, which DuckDB does not compare with an empty text.
    """
    if look.is_text:
        return f"nullif(cast({sql_name(look.name)} as varchar), '') as user_id"
    return id_sql(look, id_type(look), "user_id")


def ad_columns(roles: Roles) -> list[str]:
    """SQL of the contract's columns of ads."""
    goal = "'click' as goal, -- no column says what the bid is paid for: click or conversion"
    bid = "1.0 as bid, -- no column is a bid: all ads are worth the same"
    return [
        id_sql(roles.ad.own, roles.ad.kind, "ad_id"),
        roles.product.sql("product"),
        goal if roles.goal is None else sql_as(roles.goal.name, "goal"),
        bid if roles.bid is None else _bid(roles.bid),
    ]


def _bid(look: Look) -> str:
    """A FLOAT has whole numbers up to 2^24 only, which is a bid of 16.8 in millionths."""
    is_small = look.type in _SMALL or not look.is_whole
    return sql_as(look.name, "bid") if is_small else f"cast({sql_name(look.name)} as float) as bid"


def candidate_columns(roles: Roles, tasks: Sequence[ProposedTask]) -> list[str]:
    """SQL of the contract's columns of candidates. A label is null where the ad was not shown or lacks the task."""
    names = task_names(tasks)
    shown = [] if roles.impressed is None else [roles.impressed.truth]
    everything = "true as impressed, -- no column says what was shown: every row counts as shown"
    columns = [
        id_sql(roles.request.other, roles.request.kind, "request_id"),
        id_sql(roles.ad.other, roles.ad.kind, "ad_id"),
        *(_score(task, names[task.name]) for task in tasks),
        everything if roles.impressed is None else _named(roles.impressed.truth, "impressed"),
    ]
    for task in tasks:
        defined = [] if task.products is None else [_is_scored(task)]
        columns.append(_where([*shown, *defined], task.happened, names[task.label]))
    if roles.position is not None:
        position = roles.position
        whole = sql_name(position.name) if position.type in _POSITIONS else position.whole("integer")
        columns.append(_where(shown, whole, "position"))
    if roles.explored is not None:
        columns.append(_named(roles.explored.truth, "explored"))
    return columns


def _score(task: ProposedTask, name: str) -> str:
    """A score that is NaN is none: the contract has null there."""
    if task.score.has_nan:
        return f"case when {_is_scored(task)} then {sql_name(task.name)} end as {sql_name(name)}"
    return sql_as(task.name, name)


def _is_scored(task: ProposedTask) -> str:
    column = sql_name(task.name)
    return f"isfinite({column})" if task.score.has_nan else f"{column} is not null"


def task_names(tasks: Sequence[ProposedTask]) -> Mapping[str, str]:
    """What the preset calls each score and each label. No score has the name of a column of the contract."""
    labels = preset_names((task.label for task in tasks), _KEYS)
    scores = preset_names((task.name for task in tasks), {*_KEYS, *OUTCOMES, *labels.values()})
    return {**labels, **scores}


def statement(
    place: TablePlace,
    table: LookedAt,
    columns: Iterable[str],
    features: ProposedFeatures | None = None,
    left_out: Collection[str] = (),
) -> str:
    """The text of source_<table>.sql. Text in CSV files is read as text; columns that are `left_out` are not read.

    `features` say which columns are left out, too.
    """
    lines = [
        f"-- source_{place.table}: {_ROWS_OF[place.table]}.",
        "-- $paths lists the day's files. Proposed from the logs: look at each line.",
        "select",
        *_select([*columns, *(feature.sql for feature in (features.features if features else ()))]),
    ]
    unread = {*left_out, *(features.left_out if features else ())}
    if features is not None:
        lines += [f"    -- left out: {in_comment(name)} ({why})" for name, why in features.left_out.items()]
    texts = [name for name, look in table.columns.items() if look.type == "VARCHAR" and name not in unread]
    reader = read_csv_sql(texts) if place.is_csv else "read_parquet($paths, hive_partitioning = false)"
    return "\n".join([*lines, f"from {reader}", ""])


def domains_toml(roles: Roles, tasks: Sequence[ProposedTask], without_label: Sequence[str]) -> str:
    """The section [domains]."""
    surfaces, products = toml_list(roles.surface.names.values()), toml_list(roles.product.names.values())
    names = task_names(tasks)
    lines = ["[domains]", f"surfaces = {surfaces}", f"products = {products}", "tasks = ["]
    for task in tasks:
        more = f', parent = "{names[task.parent]}"' if task.parent else ""
        more += f", products = {toml_list(task.products)}" if task.products is not None else ""
        never = (
            "  # it never happened on the day looked at: say the parent, if it has one" if task.never else ""
        )
        lines.append(f'  {{ name = "{names[task.name]}", label = "{names[task.label]}"{more} }},{never}')
    lines.append("]")
    lines += [
        f"# left out: {in_comment(name)}, a score of which no column is the action" for name in without_label
    ]
    return "\n".join(lines)


def tasks_toml(tasks: Sequence[ProposedTask]) -> str:
    """What the sections [model] and [training] say of each task."""
    named = task_names(tasks)
    names = [named[task.name] for task in tasks]
    widths = [
        f"{name} = {_CHILD_WIDTH if task.parent else _ROOT_WIDTH}"
        for name, task in zip(names, tasks, strict=True)
    ]
    weights = [f"{name} = 1.0" for name in names]
    return (
        f"[model]\nemb_deep = {{ {', '.join(widths)} }}      # width of each task's embedding\n\n"
        f"[training]\nloss_weights = {{ {', '.join(weights)} }}\n# epochs = 10"
    )


def ids_toml(roles: Roles) -> str:
    """The section [ids], where an id is no number; empty otherwise."""
    kinds = {"request": roles.request.kind, "ad": roles.ad.kind}
    if roles.user is not None:
        kinds["user"] = id_type(roles.user)
    lines = [f'{part} = "{kind}"' for part, kind in kinds.items() if kind != "BIGINT"]
    return (
        "\n".join(["[ids]                                # types of the ids, which stay as they are", *lines])
        if lines
        else ""
    )


def sources_toml(places: Mapping[str, TablePlace]) -> str:
    """The sections [sources.<table>], where a table is elsewhere than usual; empty otherwise."""
    sections = []
    for place in places.values():
        if not place.is_usual:
            form = '\nformat = "csv"' if place.is_csv else ""
            texts = [toml_text(template) for template in (place.template, *place.further)]
            files = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
            sections.append(f"[sources.{place.table}]\nfiles = {files}{form}")
    return "\n\n".join(sections)


def window_toml(days: int) -> str:
    """How many days train, where the logs have so many days."""
    training = days - 1
    if training >= _FULL_WINDOW:
        return (
            f"window_days = {min(training, _USUAL_WINDOW)}                     # training days before as_of"
        )
    window = max(training, _LEAST_WINDOW)
    return (
        f"window_days = {window}                      # training days before as_of: the logs have {days} days\n"
        f"min_window_days = {window}                  # 20 by default: with fewer, weekly cycles pass for trends"
    )


def feature_toml(feature: ProposedFeature) -> str:
    """One [[features]] table."""
    settings = "".join(f"\n{key} = {value}" for key, value in feature.settings.items())
    return f'[[features]]\nname = "{feature.name}"\nside = "{feature.side}"{settings}'


def _select(columns: Sequence[str]) -> list[str]:
    """A column a line; a comment stands behind the comma."""
    lines = []
    for n, column in enumerate(columns):
        text, comma, comment = column.rpartition(", -- ")
        if not comma or comment.endswith('"') or '" as ' in comment:  # it is part of a name
            text, comma, comment = column, "", ""
        end = "" if n == len(columns) - 1 else ","
        lines.append(f"    {text}{end}" + (f" -- {comment}" if comma else ""))
    return lines


def _where(conditions: Sequence[str], value: str, name: str) -> str:
    """SQL of a value where all conditions hold."""
    return _named(f"case when {' and '.join(conditions)} then {value} end" if conditions else value, name)


def _named(value: str, name: str) -> str:
    return value if value == sql_name(name) else f"{value} as {sql_name(name)}"
