"""`mtmd check`: what is wrong with a preset, its statements and a day of its logs, in one run of seconds.

Nothing is trained or stored, and neither torch nor great-expectations is loaded. The logs are read once the preset is
right, and rows once all columns are.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
from pydantic import ValidationError

from mtmd.config import Declarations, Preset
from mtmd.config.base import nearest, problems
from mtmd.config.preset_files import preset_path, read_preset
from mtmd.errors import ConfigError, LogsError, StorageError
from mtmd.expectations import day_expectations
from mtmd.expectations.common import listed
from mtmd.extract.blame import blaming
from mtmd.extract.database import Database, reading
from mtmd.extras.check.findings import Finding, ProjectCheck, counted, fact, hint, problem, stopped_by
from mtmd.extras.check.rows import changed, check_rows, delivered, mended
from mtmd.features import Feature, Hashed
from mtmd.logs.contract import TABLES, ColumnProblem, column_problems, optional_columns, table_columns
from mtmd.logs.digests import SourceFiles
from mtmd.logs.reading import Connection, file_columns
from mtmd.logs.source import LogSource
from mtmd.logs.sql import sql_name
from mtmd.run import require_days, training_days

_WITHOUT = '; or set learn_from = "actions" of the task, where nothing scores candidates'
_SPREAD = 10  # buckets for each value of a category: about a tenth then meets another in its bucket


def check_project(name_or_path: str, *, logs: str | None = None, as_of: date | None = None) -> ProjectCheck:
    """Check a preset and its logs; the rows are those of `as_of`, by default the newest day that all tables have.

    Raises ConfigError where there is no such preset.
    """
    preset, findings = check_preset(name_or_path)
    if preset is not None:
        findings += _check_logs(preset, logs or preset.logs, as_of)
    return ProjectCheck(preset=name_or_path, findings=tuple(findings))


def check_preset(name_or_path: str) -> tuple[Preset | None, list[Finding]]:
    """The preset, and what is wrong with its file, its base and its values; None where a run could not read it.

    What sections ask of each other shows once each is right. Raises ConfigError where there is no such file.
    """
    path = preset_path(name_or_path)
    try:
        values = read_preset(path)
        preset = Preset.model_validate(values)
        table_columns(preset.declarations)
        day_expectations(preset)
    except ConfigError as wrong:
        return None, [stopped_by(str(path), wrong)]
    except ValidationError as wrong:
        found = problems(wrong, values, Preset)
        return None, [problem(str(path), one.text, one.remedy) for one in found]
    return preset, []


def _check_logs(preset: Preset, logs: str, as_of: date | None) -> Iterator[Finding]:
    """Days, columns and rows, as far as each can be read."""
    try:
        with TemporaryDirectory(prefix="mtmd-") as folder:
            yield from _check_source(preset, LogSource.of(preset, logs, Path(folder) / "spool"), as_of)
    except (ConfigError, LogsError, StorageError) as wrong:
        yield stopped_by(logs, wrong)


def _check_source(preset: Preset, source: LogSource, as_of: date | None) -> Iterator[Finding]:
    days = {table: source.table(table).days() for table in TABLES}
    for table in TABLES:
        yield from _days_of(table, days, source)
    common = set.intersection(*days.values())
    day = as_of or max(common, default=None)
    if day is None:
        if all(days.values()):
            yield problem(str(source.root), "no day that all tables have", "deliver a day's three tables")
        return
    # Where two tables have a newer day, the third lacks it.
    held_out = as_of or sorted(map(max, days.values()))[1]
    wanted = (*training_days(preset, held_out, preset.window_days), held_out)
    yield fact("window", f"{held_out} is held out, {len(wanted) - 1} training days from {wanted[0]} on")
    for table in (table for table in TABLES if days[table]):
        yield from _lacking(table, wanted, days, source)
    if day not in common:
        return
    files = source.source_files(day)
    window = [one for one in wanted[:-1] if one in common and one != day]
    at_hand = [table for table in TABLES if not source.is_remote(table)]
    others = [
        {table: source.day_files(table, one) for table in at_hand if source.has_day(table, one)}
        for one in window
    ]
    with reading(source.readable(files, *others)) as connection:
        found = list(_check_columns(connection, source, preset.declarations, window, day))
        yield from found
        if not found:
            yield from _check_values(connection, source, files, day, preset)


def _check_values(
    connection: Any, source: LogSource, files: SourceFiles, day: date, preset: Preset
) -> Iterator[Finding]:
    """Rows and features of a day whose columns are as declared; or the column whose values can't be read."""
    database = Database(connection)
    try:
        with blaming(connection, source, files, day):
            yield from check_rows(database, source, files, day, preset)
            yield from _check_features(database, preset)
    except LogsError as wrong:
        found = [one for table in files for one in changed(connection, source, table, day)]
        yield from found or [stopped_by(str(source.root), wrong)]


def _days_of(table: str, days: Mapping[str, set[date]], source: LogSource) -> Iterator[Finding]:
    own = days[table]
    if not own:
        remedy = f"write the logs there, or correct the preset's logs or [sources.{table}]"
        yield problem(table, f"no day in {source.table(table).place}", remedy)
        return
    yield fact(table, f"{counted(len(own), 'day')}, {min(own)} to {max(own)}")


def _lacking(
    table: str, wanted: Sequence[date], days: Mapping[str, set[date]], source: LogSource
) -> Iterator[Finding]:
    """The wanted days, the held-out one last, that a table lacks; or a newer one that another table has."""
    newest = max(set.union(*days.values()))
    try:
        require_days(table, wanted, sorted(days[table]))
    except LogsError as wrong:
        first = min(set(wanted) - days[table])
        spared = (
            "" if first == wanted[-1] else "; or list it in [left_out] of the preset, or shorten window_days"
        )
        yield problem(table, wrong.problem, delivered(source, table, first) + spared)
    else:
        if newest > wanted[-1] and newest not in days[table]:
            yield hint(table, f"no {newest}, which another table has", delivered(source, table, newest))


def _check_columns(
    connection: Connection, source: LogSource, declarations: Declarations, window: Sequence[date], day: date
) -> Iterator[Finding]:
    """What a run would refuse of the newest day's columns; of a table without such, of the window's other days'.

    No row is read. A difference that several days have is one finding, which counts them.
    """
    for table in TABLES:
        newest = list(_of_day(connection, source, declarations, table, day, tried=True))
        yield from newest
        if newest or source.is_remote(table):
            continue  # a remote table has the same columns on all days; a bucket's are not fetched for this
        found: dict[Finding, list[date]] = {}
        for other in window:
            for finding in _of_day(connection, source, declarations, table, other, tried=False):
                found.setdefault(finding, []).append(other)
        for finding, having in found.items():
            which = f"{counted(len(having), 'earlier day')}, {having[0]} first"
            remedy = finding.remedy or f"`mtmd check --as-of {having[0]}` says what mends it"
            yield finding.model_copy(update={"place": f"{finding.place} ({which})", "remedy": remedy})


def _of_day(
    connection: Connection,
    source: LogSource,
    declarations: Declarations,
    table: str,
    day: date,
    *,
    tried: bool,
) -> Iterator[Finding]:
    """How the columns that the statement gives of a day's files differ from the declared ones.

    What mends a type is looked for in the values where that is `tried`.
    """
    declared = table_columns(declarations)[table]
    optional = optional_columns(declarations.domains) if table == "candidates" else frozenset[str]()
    # The files of each problem; beside it the column's type, or the column that may be it.
    having: dict[tuple[ColumnProblem, str], list[Path]] = {}
    try:
        for path in source.day_files(table, day):
            with blaming(connection, source, {table: [path]}, day):
                found = file_columns(connection, source, table, path, day)
            for one in column_problems(declared, found, optional=optional):
                near = nearest(one.column, [other for other in found if other not in declared])
                having.setdefault((one, found.get(one.column) or near or ""), []).append(path)
        for (one, detail), paths in having.items():
            text, column = one.problem, sql_name(one.column)
            if one.column not in declared:
                kind = "label" if table == "candidates" else "feature"
                remedy = f"select * exclude ({column}); or declare it as a {kind} in the preset"
            elif text.startswith("missing"):
                remedy = f"select it as {column}" + (f"; {detail} may be it" if detail else "")
                remedy += _WITHOUT if one.column in declarations.domains.score_tasks else ""
            elif tried:
                kinds = (detail, declared[one.column])
                values, remedy = mended(connection, source, table, paths, day, one.column, kinds)
                text = text.replace(";", f", such as {values};", 1) if values else text
                remedy = remedy or f"deliver it as {kinds[1]}, or have the statement select it so"
            else:
                remedy = ""
            yield problem(f"{table}.{one.column}", text, remedy)
    except (ConfigError, LogsError) as wrong:
        refused = tried and isinstance(wrong.__cause__, duckdb.Error)
        found_changed = list(changed(connection, source, table, day)) if refused else []
        yield from found_changed or [stopped_by(table, wrong)]


def _check_features(database: Database, preset: Preset) -> Iterator[Finding]:
    """A hint for each feature or action that says nothing, each feature with too few buckets, and small slices."""
    slices = "select count(distinct request_id) as n from candidates group by surface, product"
    (row,) = database.rows(f"select max(n) as n from ({slices})")
    if row["n"] is not None and row["n"] < preset.gates.min_requests:
        words = f"no surface and product has more than {counted(row['n'], 'request')}: gates can judge none of them"
        yield hint("candidates", words, f"set min_requests ({preset.gates.min_requests:g}) of [gates] lower")
    sides = (("requests", "surface", preset.declarations.query), ("ads", "product", preset.declarations.item))
    for table, domain, schema in sides:
        asked = ", ".join(_counts(table, domain, n, feature) for n, feature in enumerate(schema.fields))
        for row in database.rows(f"select {asked} from {table} having count(*) > 0"):
            for n, feature in enumerate(schema.fields):
                yield from _hints(f"{table}.{feature.name}", feature, row[f"present{n}"], row[f"distinct{n}"])
    for task in (one for one in preset.domains.tasks if one.from_actions):
        (row,) = database.rows(f"select avg(cast({sql_name(task.label)} as double)) as rate from candidates")
        if row["rate"] in (None, 0.0, 1.0):
            which = "every" if row["rate"] else "no"
            words = f"true in {which} row of a shown ad: task {task.name} learns nothing"
            yield hint(f"candidates.{task.label}", words, "correct it, or let the task learn from scores")


def _counts(table: str, domain: str, n: int, feature: Feature) -> str:
    """SQL: rows that have a value, in the domains that have the feature; and about how many values differ.

    Of a list its elements are counted, and of vectors none.
    """
    within = "true" if feature.domains is None else f"{domain} in ({listed(feature.domains)})"
    there = f"filter ({within} and not {feature.missing_sql()})"
    distinct = f"approx_count_distinct({feature.quoted})"
    if feature.matrix == "embedding":
        distinct = "0"
    elif feature.matrix == "lists":
        distinct = f"(select {distinct} from {feature.single_values(table, domain)})"
    else:
        distinct = f"{distinct} {there}"
    return f"count(*) {there} as present{n}, {distinct} as distinct{n}"


def _hints(place: str, feature: Feature, present: int, distinct: int) -> Iterator[Finding]:
    if not present:
        yield hint(place, "no row has a value", "deliver it, or take it out of the preset")
    elif feature.kind == "continuous" and distinct == 1:
        yield hint(place, "all rows have one value", "it says nothing: deliver it, or take it out")
    elif isinstance(feature, Hashed) and feature.buckets < _SPREAD * distinct:
        text = f"about {distinct:,} values in {feature.buckets:,} buckets: many share one with another"
        yield hint(place, text, f"set buckets = {_SPREAD * distinct} or more: other days have further values")
