"""The text of a proposal: the preset's sections, and a statement for each table."""

from collections.abc import Iterable, Mapping, Sequence

from mtmd.extras.proposal.columns import READER, Column, preset_names, sql_as, tokens, toml_list, toml_text
from mtmd.extras.proposal.features import ProposedFeatures
from mtmd.extras.proposal.places import TablePlace
from mtmd.extras.proposal.roles import ProposedTask, Roles, time_sql
from mtmd.logs.contract import OUTCOMES
from mtmd.logs.sql import literal

_ROOT_WIDTH, _CHILD_WIDTH = 64, 32
_USUAL_WINDOW, _LEAST_WINDOW, _FULL_WINDOW = 24, 7, 20
_CONVERSIONS = set("conversion conversions sale sales purchase purchases lead leads install installs".split())  # noqa: SIM905
_KEYS = {"request_id", "ad_id", "impressed", "position", "surface", "product"}


def _id_sql(column: Column, kind: str, name: str) -> str:
    cast = kind == "VARCHAR" and not column.is_text
    return sql_as(f"cast({column.sql} as varchar)" if cast else column.sql, name)


def request_columns(roles: Roles) -> list[str]:
    """SQL of the contract's columns of requests. An empty text is no user."""
    user = "cast(null as bigint) as user_id"  # no column names the user
    if roles.user is not None:
        user = _id_sql(roles.user, roles.user.id_type, "user_id")
        user = f"nullif({roles.user.sql}, '') as user_id" if roles.user.is_text else user
    return [
        _id_sql(roles.request.own, roles.request.kind, "request_id"),
        sql_as(time_sql(roles.time) or "", "ts"),
        roles.surface.sql("surface"),
        user,
    ]


def ad_columns(roles: Roles) -> list[str]:
    """SQL of the contract's columns of ads: paid by click, unless a goal says otherwise; all worth 1 without a bid."""
    paid = [of_logs for of_logs in roles.goal.names if _CONVERSIONS & set(tokens(of_logs))]
    goal = (
        f"case when {roles.goal.column.sql} in ({', '.join(map(literal, paid))}) then 'conversion' else 'click' end"
        if roles.goal.column and paid
        else "'click'"
    )
    return [
        _id_sql(roles.ad.own, roles.ad.kind, "ad_id"),
        roles.product.sql("product"),
        f"{goal} as goal",
        sql_as(f"cast({roles.bid.sql} as float)" if roles.bid else "1.0", "bid"),
    ]


def candidate_columns(roles: Roles, tasks: Sequence[ProposedTask]) -> list[str]:
    """SQL of the contract's columns of candidates. A label is null where the ad was not shown or lacks the task."""
    names = task_names(tasks)
    shown = [roles.impressed.truth] if roles.impressed else []
    columns = [
        _id_sql(roles.request.other, roles.request.kind, "request_id"),
        _id_sql(roles.ad.other, roles.ad.kind, "ad_id"),
        *(sql_as(task.score.sql, names[task.score.name]) for task in tasks),
        sql_as(shown[0] if shown else "true", "impressed"),
    ]
    for task in tasks:
        defined = [] if task.products is None else [f"{task.score.sql} is not null"]
        columns.append(_where([*shown, *defined], task.label.truth, names[task.label.name]))
    if roles.position is not None:
        columns.append(_where(shown, f"cast({roles.position.sql} as integer)", "position"))
    return columns


def _where(conditions: Sequence[str], value: str, name: str) -> str:
    """SQL of a value where all conditions hold."""
    return sql_as(f"case when {' and '.join(conditions)} then {value} end" if conditions else value, name)


def task_names(tasks: Sequence[ProposedTask]) -> Mapping[str, str]:
    """What the preset calls each score and each label. No score has the name of a column of the contract."""
    labels = preset_names((task.label.name for task in tasks), _KEYS)
    scores = preset_names((task.score.name for task in tasks), {*_KEYS, *OUTCOMES, *labels.values()})
    return {**labels, **scores}


def statement(table: str, columns: Iterable[str], found: ProposedFeatures | None = None) -> str:
    """The text of source_<table>.sql."""
    features, left_out = (found.features, found.left_out) if found else ([], {})
    selected = ",\n".join(f"    {column}" for column in (*columns, *(feature.sql for feature in features)))
    comments = "".join(f"-- left out: {toml_text(name)} ({why})\n" for name, why in left_out.items())
    return (
        f"-- source_{table}, proposed from the logs: look at each line. $paths lists the day's files.\n"
        f"{comments}select\n{selected}\nfrom {READER}\n"
    )


def domains_toml(roles: Roles, tasks: Sequence[ProposedTask]) -> str:
    """The section [domains]."""
    names = task_names(tasks)
    lines = [
        "[domains]",
        f"surfaces = {toml_list(roles.surface.names.values())}",
        f"products = {toml_list(roles.product.names.values())}",
        "tasks = [",
    ]
    for task in tasks:
        more = f', parent = "{names[task.parent]}"' if task.parent else ""
        more += f", products = {toml_list(task.products)}" if task.products is not None else ""
        lines.append(f'  {{ name = "{names[task.score.name]}", label = "{names[task.label.name]}"{more} }},')
    return "\n".join([*lines, "]"])


def tasks_toml(tasks: Sequence[ProposedTask]) -> str:
    """What the sections [model] and [training] say of each task."""
    names = task_names(tasks)
    widths = (f"{names[one.score.name]} = {_CHILD_WIDTH if one.parent else _ROOT_WIDTH}" for one in tasks)
    weights = (f"{names[one.score.name]} = 1.0" for one in tasks)
    return (
        f"[model]\nemb_deep = {{ {', '.join(widths)} }}      # width of each task's embedding\n\n"
        f"[training]\nloss_weights = {{ {', '.join(weights)} }}\n# epochs = 10"
    )


def ids_toml(roles: Roles) -> str:
    """The section [ids], where an id is no number; empty otherwise."""
    kinds = {"request": roles.request.kind, "ad": roles.ad.kind}
    kinds |= {"user": roles.user.id_type} if roles.user else {}
    lines = [f'{part} = "{kind}"' for part, kind in kinds.items() if kind != "BIGINT"]
    return "\n".join(["[ids]", *lines]) if lines else ""


def sources_toml(places: Mapping[str, TablePlace]) -> str:
    """The sections [sources.<table>], where a table is elsewhere than usual; empty otherwise."""
    return "\n\n".join(
        f"[sources.{table}]\nfiles = {toml_text(place.template)}"
        for table, place in places.items()
        if not place.is_usual
    )


def window_toml(days: int) -> str:
    """How many days train, where the logs have so many days."""
    training = days - 1
    window = min(max(training, _LEAST_WINDOW), _USUAL_WINDOW)
    text = (
        f"window_days = {window}                     # training days before as_of: the logs have {days} days"
    )
    if window < _FULL_WINDOW:
        text += f"\nmin_window_days = {window}   # 20 by default: with fewer, weekly cycles pass for trends"
    return text
