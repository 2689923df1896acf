"""A project for logs that are there: every file of it, proposed by looking at them. Nothing is written here."""

import re
import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from mtmd.errors import ConfigError, LogsError
from mtmd.extract.database import Database, reading
from mtmd.extras.proposal.features import find_features
from mtmd.extras.proposal.roles import Joined, Question, Roles, Said, choose, find_roles, join, time_sql
from mtmd.extras.proposal.tables import READER, Column, Table, find_places, look_at_all, sql_as, toml
from mtmd.extras.proposal.tasks import ProposedTask, find_tasks, label_sql, sections, shown_sql
from mtmd.logs.contract import TABLES
from mtmd.logs.sql import linked
from mtmd.store.stores import in_bucket

_USUAL_WINDOW, _LEAST_WINDOW, _FULL_WINDOW = 24, 7, 20
_APART = r"\s*,\s*|(?<![=,\s])\s+(?![=,\s])"  # several answers; around `=` a space is nothing
Ask = Callable[[str], str]  # a question to a person → the answer


@dataclass(frozen=True)
class Proposal:
    """The preset's window, its sections and the statements, as texts; and in a line each what was understood."""

    folder: Path
    newest: date
    window: str
    sections: Sequence[str]
    statements: Mapping[str, str]
    understood: Sequence[str]

    def rewritten(self, path: str, text: str) -> str:
        """A file of a new project with what is proposed in the place of its text."""
        if path.startswith("sql/"):
            return self.statements[path.removeprefix("sql/source_").removesuffix(".sql")]
        if path != "preset.toml":
            text = text.replace("2026-01-25", str(self.newest)) if path == "README.md" else text
            return re.sub(r"(?s)If the project was made without.*?```sh.*?```\n\n", "", text)
        head = text.partition("# ----")[0].strip()
        logs = toml({"logs": str(self.folder)})
        head = re.sub(r"(?m)^logs = .*$", lambda _: logs, head)
        head = re.sub(r"(?m)^window_days = .*$", lambda _: self.window, head)
        return "\n\n".join((head, *filter(None, self.sections))) + "\n"


def propose(folder: Path, said: Said | None = None, ask: Ask | None = None) -> Proposal:
    """Look at the newest day that most tables have, and at the days before it. `ask` asks a person what can't be told.

    Raises LogsError with all that can't be told, and how to say it, where nobody can be asked; and naming the table,
    where files can't be read. Raises ConfigError for a bucket.
    """
    if in_bucket(folder):
        raise ConfigError(
            f"{folder} is in a bucket, and a project is proposed by looking at a folder; copy some days to one, and "
            "write the bucket's URL into preset.toml as `logs` afterwards"
        )
    places = find_places(folder)
    days = Counter(day for place in places for day in place.days)
    most, newest = max((tables, day) for day, tables in days.items())
    if most < len(TABLES):
        raise LogsError(
            f"{folder} has {', '.join(place.template for place in places)}, and no day of which there are requests, "
            "ads and candidates; deliver one, or, where one table has all, make the project without --from-logs, and "
            "let each statement select its part"
        )
    files = (file for place in places for of_day in place.days.values() for file in of_day)
    with reading([folder, *linked(files)]) as connection:
        database = Database(connection)
        try:
            tables = look_at_all(database, [place for place in places if newest in place.days], newest)
            ways = join(database, tables, newest)
            said = dict(said or {})
            while isinstance(found := _tell(database, tables, ways, said), list):
                said |= _answers(folder, found, ask)
        except duckdb.Error as error:
            first = str(error).splitlines()[0]
            raise LogsError(f"{folder}, {newest}: {first}; correct the files") from error
    return _written(folder, newest, *found)


def _answers(folder: Path, questions: Sequence[Question], ask: Ask | None) -> dict[str, list[str]]:
    """What a person says. Raises LogsError with all questions where nobody can be asked, or the logs lack a thing."""
    if ask and all(question.option for question in questions):
        return {question.option: re.split(_APART, ask(question.text).strip()) for question in questions}
    options = "".join(f" --{question.option} …" for question in questions if question.option)
    raise LogsError(
        f"{folder}: what can't be told: {'; '.join(question.text for question in questions)}",
        f"say it: mtmd init … --from-logs {shlex.quote(str(folder))}{options}" if options else "",
    )


def _tell(
    database: Database, tables: Sequence[Table], ways: Sequence[Joined], said: Said
) -> tuple[Joined, Roles, list[ProposedTask]] | list[Question]:
    """What the logs are; or all that can't be told, of the first way to join the tables where there are several."""
    ways, questions = choose(ways, tables, said)
    if not ways:
        return questions
    roles = find_roles(database, ways[0])
    tasks = find_tasks(database, ways[0], roles, said.get("task", ()))
    if isinstance(tasks, Question):
        return [*questions, tasks]
    return questions or (ways[0], roles, tasks)


def _written(
    folder: Path, newest: date, joined: Joined, roles: Roles, tasks: Sequence[ProposedTask]
) -> Proposal:
    """The texts, and what was understood."""
    sql, user, texts = _contract(joined, roles, tasks), roles.user, []
    of_requests = joined.requests.beside(joined.request.own, joined.time, roles.surface.column, user)
    of_ads = joined.ads.beside(joined.ad.own, roles.product.column, roles.bid)
    of_tasks = [column for task in tasks for column in (task.score, task.action)]
    pairs = joined.candidates.beside(joined.request.other, joined.ad.other, roles.shown, *of_tasks)
    left_out = [column.name for column in pairs]
    ids: dict[str, dict[str, Column | None]]
    ids = {"requests": {"user_id": user}, "ads": {"ad_id": joined.ad.own}}
    for table, free in (("requests", of_requests), ("ads", of_ads)):
        features, columns, unused = find_features(table, free, ids[table])
        sql[table] |= columns
        texts += [f"[[features]]\n{toml(one)}" for one in features]
        left_out += unused
    kinds = {"request": joined.request.own.id_type, "ad": joined.ad.own.id_type}
    kinds |= {"user": user.id_type} if user else {}
    places = {table: getattr(joined, table).place for table in TABLES}
    preset = sections(roles, tasks)
    preset["ids"] = {of: kind for of, kind in kinds.items() if kind != "BIGINT"}
    for table, place in places.items():
        usual = f"{table}/date={{day}}/*.parquet"
        preset[f"sources.{table}"] = {"files": place.template} if place.template != usual else {}
    days = set.intersection(*(set(place.days) for place in places.values()))
    return Proposal(
        folder=folder.absolute(),
        newest=newest,
        window=_window(len(days)),
        sections=[*(f"[{name}]\n{toml(values)}" for name, values in preset.items() if values), *texts],
        statements={table: _statement(table, columns) for table, columns in sql.items()},
        understood=[
            f"{len(days)} days that all three tables have",
            *(f"{table}: {place.template}" for table, place in places.items()),
            *map(str, tasks),
            f"left out: {', '.join(left_out) or 'nothing'}",
        ],
    )


def _contract(joined: Joined, roles: Roles, tasks: Sequence[ProposedTask]) -> dict[str, dict[str, str]]:
    """Of each table, SQL of the contract's columns by name. Without a bid all ads are worth 1."""
    request, ad, user, shown = joined.request, joined.ad, roles.user, shown_sql(tasks, roles.shown)
    user_id = user.id_sql if user else "cast(null as bigint)"
    return {
        "requests": {
            "request_id": request.own.id_sql,
            "ts": time_sql(joined.time) or "",
            "surface": roles.surface.sql,
            # An empty text is no user.
            "user_id": f"nullif({user_id}, '')" if user and user.kind == "text" else user_id,
        },
        "ads": {
            "ad_id": ad.own.id_sql,
            "product": roles.product.sql,
            "goal": "'click'",
            "bid": roles.bid.sql if roles.bid else "1.0",
        },
        "candidates": {
            "request_id": request.other.id_sql,
            "ad_id": ad.other.id_sql,
            "impressed": shown,
            **{task.name: task.score.sql for task in tasks if task.score},
            **{task.label: label_sql(task, shown) for task in tasks},
        },
    }


def _statement(table: str, columns: Mapping[str, str]) -> str:
    """The text of source_<table>.sql."""
    listed = ",\n    ".join(sql_as(value, name) for name, value in columns.items())
    return (
        f"-- source_{table}, proposed from the logs: look at each line. $paths lists the day's files.\n"
        f"select\n    {listed}\nfrom {READER}\n"
    )


def _window(days: int) -> str:
    """How many days train, where the logs have so many days."""
    window = min(max(days - 1, _LEAST_WINDOW), _USUAL_WINDOW)
    fewer = f"\nmin_window_days = {window}   # 20 by default: with fewer, weekly cycles pass for trends"
    return f"window_days = {window}   # of training: the logs have {days} days{fewer if window < _FULL_WINDOW else ''}"
