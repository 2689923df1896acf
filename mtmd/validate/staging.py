"""One day of logs, and what it is compared with, as tables of an in-memory database: what the suites query.

The source columns are read once, and the keys of candidates once more. Vectors are reduced to their length and whether
they are whole, lists to the values that are read and what is wrong with the others, and of candidates only a summary is
kept, so that a staged day is small beside the logs; every row has a hash for the table's digest.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from mtmd.config import Declarations, IdType, Preset
from mtmd.errors import ConfigError, LogsError
from mtmd.expectations import Expect, Needs, SuiteTable, day_expectations
from mtmd.expectations.candidates import (
    SUMMARY,
    SUSPECTS,
    found_table,
    summary_sql,
)
from mtmd.expectations.common import name
from mtmd.expectations.own import own_expectations
from mtmd.extract.blame import attempt, blame, blaming
from mtmd.logs.contract import table_columns
from mtmd.logs.ids import held_as
from mtmd.logs.reading import create_checked_view, file_columns
from mtmd.logs.source import LogSource
from mtmd.logs.sql import bare_sql, literal, without_end
from mtmd.validate.deviations import Deviation
from mtmd.validate.gx_duckdb import Database
from mtmd.validate.results import DayProfile

_JOINED = "candidates_joined"
_TRAILING = {
    "trailing_domains": "day date, surface varchar, product varchar, candidates bigint, share double",
    "trailing_scores": "day date, surface varchar, product varchar, task varchar, mean_score double",
    "trailing_nulls": "day date, side varchar, domain varchar, feature varchar, null_rate double",
    "trailing_digests": "day date, side varchar, digest varchar",
}
_DEVIATIONS = (
    "measure varchar, side varchar, domain varchar, subject varchar, observed double, usual double, lowest double, "
    "highest double, share double, stops boolean"
)


def columns_of(database: Database, source: LogSource, table: str, file: Path, day: date) -> dict[str, str]:
    """Columns and DuckDB types of one file, as the source statement gives them.

    Raises LogsError naming the table, the day, and the file or the statement that can't be read.
    """
    with blaming(database.connection, source, {table: [file]}, day):
        return file_columns(database.connection, source, table, file, day)


def stage_day(
    database: Database,
    source: LogSource,
    files: Mapping[str, list[Path]],
    day: date,
    preset: Preset,
    present: Mapping[Needs, bool],
) -> None:
    """Make the tables `requests`, `ads`, `candidates_summary` and `this_day`, and the view `candidates`.

    The views `source_<table>` are there. Raises LogsError when a view can't be read, or a table has no rows, and
    ConfigError for an expectation of the team's own that can't be run on candidates.
    """
    columns = table_columns(preset.declarations)
    for table in ("requests", "ads"):
        with blaming(database.connection, source, {table: files[table]}, day, columns):
            _stage_side(database, table, preset.declarations, f"source_{table}")
    candidates = {"candidates": files["candidates"]}
    with blaming(database.connection, source, candidates, day, columns):
        try:
            _stage_candidates(database, preset, present)
        except duckdb.Error as error:
            if blame(database.connection, source, candidates, day, columns) is None:
                _require_own_expectations_run(database, preset, error)
            raise
    for table, count in (("requests", "count(*)"), ("ads", "count(*)"), (SUMMARY, "sum(candidates)")):
        if not database.rows(f"select {count} as n from {table}")[0]["n"]:
            own = table.removesuffix("_summary")
            raise LogsError(
                f"{own} of {day}: {files[own][0].parent} has {len(files[own])} files and 0 rows; at least 1 is "
                "required: deliver the day again"
            )
    database.rows("create table this_day as select $day as day", {"day": day})


def _stage_side(database: Database, table: str, declarations: Declarations, rows: str) -> None:
    """Make one table of its `rows`: its columns, with features as their kinds stage them, and each row's hash."""
    columns = table_columns(declarations)[table]
    side = declarations.query if table == "requests" else declarations.item
    staged = {feature.name: feature.staged_columns() for feature in side.fields}
    read = {column for feature in side.fields for column in feature.columns}
    kept = ", ".join([*(name(column) for column in columns if column not in read), *staged.values()])
    # Of requests the vectors, most of their bytes, add nothing: no other day has the same ids and times.
    vectors = {feature.name for feature in side.embedding}
    content = columns if table == "ads" else [column for column in columns if column not in vectors]
    database.rows(f"create table {table} as select {kept}, {_row_hash(content)} from {rows}")


def _with_hash(preset: Preset, candidates: str) -> str:
    """Query of candidates with each row's hash."""
    # Not of the outcomes, which a later delivery of the same day may have more of: it is a copy all the same.
    content = ("request_id", "ad_id", *preset.domains.task_names)
    return f"select *, {_row_hash(content)} from {candidates}"


def _asked_of_rows(preset: Preset, present: Mapping[Needs, bool]) -> list[Expect]:
    """The expectations on single candidates whose needs are `present`."""
    return [e for e in day_expectations(preset)["candidates"] if e.where is not None and present[e.needs]]


def _stage_candidates(database: Database, preset: Preset, present: Mapping[Needs, bool]) -> None:
    """Make views, which read the files whenever they are asked, and what is found in one such reading."""
    database.rows(f"create view candidates as {_with_hash(preset, 'source_candidates')}")
    # Keys are made distinct first: a repeated one must not multiply the candidates that all counts are of.
    database.rows(f"""
        create view {_JOINED} as
        select
            c.*,
            r.surface,
            a.product,
            r.request_id is not null as request_known,
            a.ad_id is not null as ad_known
        from candidates as c
        left join (select request_id, min(surface) as surface from requests group by request_id) as r
            on c.request_id = r.request_id
        left join (select ad_id, min(product) as product from ads group by ad_id) as a
            on c.ad_id = a.ad_id
    """)
    asked = _asked_of_rows(preset, present)
    database.rows(f"create table {SUMMARY} as {summary_sql(preset, _JOINED, asked)}")
    summary = database.rows(f"from {SUMMARY}")
    broken = [f"({expect.where})" for expect in asked if any(row[expect.name] for row in summary)]
    suspects = " or ".join(broken) or "false"
    database.rows(f"create table {SUSPECTS} as select * from {_JOINED} where {suspects}")


def _require_own_expectations_run(database: Database, preset: Preset, failed: duckdb.Error) -> None:
    """Raise ConfigError for an own expectation on single candidates that can't be run, though the logs can be read."""
    for expect in own_expectations(preset, SuiteTable.CANDIDATES):
        if expect.where is None:
            continue
        words = attempt(database.connection, f"select count(*) from {_JOINED} where ({expect.where})", {})
        if words is not None:
            raise ConfigError(
                f"expectation {expect.name!r} of candidates in {preset.expectations}, the preset's `expectations`, "
                f"can't be run: {words.splitlines()[0]}; correct its `where`"
            ) from failed


def stage_found(
    database: Database,
    source: LogSource,
    files: list[Path],
    day: date,
    preset: Preset,
    present: Mapping[Needs, bool],
) -> None:
    """Make the table of each expectation that reads all candidates together, where what it needs is `present`.

    The day and the tables that it is compared with are staged before. Raises LogsError when the source can't be read;
    a query that fails on a source that can be read fails again, with the same words, when its expectation is run.
    """
    for expect in day_expectations(preset)["candidates"]:
        if expect.where is None and "{batch}" in expect.query and present[expect.needs]:
            try:
                _find(database, expect)
            except duckdb.Error as error:
                if (blamed := blame(database.connection, source, {"candidates": files}, day, {})) is not None:
                    raise LogsError(f"candidates of {day}: {blamed}") from error
                words = literal(str(error).splitlines()[0])
                database.rows(f"create view {found_table(expect)} as select error({words}) as failed")


def _find(database: Database, expect: Expect) -> None:
    idle = expect.prompt is not None and not database.rows(_of_all(expect.prompt))
    nothing = "where false" if idle else ""  # with a limit of 0, DuckDB would read all the same
    database.rows(f"create table {found_table(expect)} as select * from ({_of_all(expect.query)}) {nothing}")


def _of_all(query: str) -> str:
    """A query of candidates that may be a part of another one: it ends in no comment and no semicolon.

    Two statements stay as they are, which DuckDB refuses.
    """
    first, second = without_end(query)
    return bare_sql(first if second is None else query).replace("{batch}", _JOINED)


def _row_hash(columns: Iterable[str]) -> str:
    return f'hash({", ".join(map(name, sorted(columns)))}) as "row.hash"'


def stage_trailing(database: Database, profiles: Iterable[DayProfile]) -> None:
    """Make the `trailing_*` tables from earlier days' profiles."""
    rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in _TRAILING}
    for profile in profiles:
        day = profile.day
        for d in profile.domains:
            rows["trailing_domains"].append((day, d.surface, d.product, d.candidates, d.share))
            rows["trailing_scores"] += [
                (day, d.surface, d.product, task, mean)
                for task, mean in d.mean_scores.items()
                if mean is not None
            ]
        for side in profile.null_rates:
            rows["trailing_nulls"] += [(day, side.table, side.domain, *rate) for rate in side.rates.items()]
        rows["trailing_digests"] += [(day, *digest) for digest in profile.digests.items()]
    for table, columns in _TRAILING.items():
        _create(database, table, columns, rows[table])


def stage_deviations(database: Database, found: Iterable[Deviation]) -> None:
    """Make the table `deviations`: what is outside its interval."""
    rows = [
        (*map(str, one.key), one.observed, one.usual, one.lowest, one.highest, one.share, one.stops)
        for one in found
    ]
    _create(database, "deviations", _DEVIATIONS, rows)


def _create(database: Database, table: str, columns: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Make a table with its rows: one statement, with a list of values for each column."""
    database.rows(f"create table {table} ({columns})")
    if rows:
        lists = {f"c{i}": list(values) for i, values in enumerate(zip(*rows, strict=True))}
        database.rows(f"insert into {table} select {', '.join(f'unnest(${c})' for c in lists)}", lists)


def stage_previous_requests(
    database: Database, source: LogSource, files: list[Path], day: date, kind: IdType
) -> None:
    """Make `previous_requests` from the day before's files; without files it is empty. `kind` is the ids' type.

    Raises LogsError naming the day before when its request ids can't be read: this day is judged by them.
    """
    if not files:
        database.rows(f"create table previous_requests (request_id {held_as(kind)})")
        return
    columns = {"request_id": kind}
    requests = {"requests": files}
    with blaming(database.connection, source, requests, day, {"requests": columns}, views="source_previous"):
        try:
            create_checked_view(
                database.connection,
                "source_previous_requests",
                source,
                "requests",
                files,
                day,
                columns,
                ignore_undeclared=True,
            )
        except LogsError as error:
            raise LogsError(f"requests of {day}: {error}") from error
        database.rows("create table previous_requests as from source_previous_requests")
