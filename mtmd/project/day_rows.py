"""The rows of one day against the expectations of validation, without great-expectations.

The expectations are queries; here they run on the same tables as in `mtmd.validate`. What compares the day with
earlier days is left to validation.
"""

from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from mtmd.config import Preset
from mtmd.errors import ConfigError, LogsError, StorageError
from mtmd.expectations import Expect, Needs, Severity, day_expectations
from mtmd.expectations.candidates import SUMMARY, SUSPECTS
from mtmd.logs.contract import table_columns
from mtmd.logs.reading import create_source_view, is_without_memory
from mtmd.logs.source import LogSource
from mtmd.project.columns import MendedTable
from mtmd.project.engine import Connection, EngineError, rows
from mtmd.project.findings import Finding, Level, Part, counted, error, fact, nearest, warning
from mtmd.validate.gx_duckdb import Database
from mtmd.validate.staging import stage_day

_JOINED = "candidates_joined"
_THERE = "select distinct surface as name from requests union select distinct product from ads"
_OF_DOMAINS = {"requests": ("surface", "surfaces"), "ads": ("product", "products")}
_SAID_OTHERWISE = ("surface_known", "product_known", "domain_rows", "vectors_whole")


def stage(
    connection: Connection,
    mended: dict[str, MendedTable],
    day: date,
    preset: Preset,
    folder: Path,
) -> list[Finding]:
    """Make the day's tables from the mended statements, which are written to `folder`; what stops that."""
    for table, one in mended.items():
        _create_view(connection, table, one, day, preset, folder)
    # Of the preset's own places only the format is used: to say which file, if any, can't be read.
    source = LogSource(folder / "0", folder / "0", preset.sources)
    files = {table: one.statements[0][1] for table, one in mended.items()}
    database = Database(url="", connection=connection)
    present = dict.fromkeys(Needs, False) | {
        Needs.NOTHING: True,
        Needs.POSITION: "position" not in mended["candidates"].unknown,
    }
    try:
        stage_day(database, source, files, day, preset, present)
    except (LogsError, ConfigError, StorageError) as wrong:
        text, _, remedy = str(wrong).rpartition("; " if "; " in str(wrong) else ": ")
        place = str(preset.expectations if isinstance(wrong, ConfigError) else day)
        return [error(Part.ROWS, place, text, remedy)]
    return []


def _create_view(
    connection: Connection, table: str, mended: MendedTable, day: date, preset: Preset, folder: Path
) -> None:
    """Make the view `source_<table>` of a table's statements, each of which is written to a folder of its own."""
    columns = table_columns(preset.declarations)[table]
    parts = []
    for n, (statement, paths) in enumerate(mended.statements):
        own = folder / str(n)
        own.mkdir(exist_ok=True)
        (own / f"source_{table}.sql").write_text(statement, encoding="utf-8")
        parts.append(f"mended_{table}_{n}")
        there = dict.fromkeys(paths, columns)  # a mended statement gives what is declared
        source = LogSource(own, own, preset.sources)
        create_source_view(connection, parts[-1], source, table, day, columns, there)
    connection.execute(
        f"create view source_{table} as {' union all '.join(f'from {part}' for part in parts)}"
    )


def own_expectations_load(preset: Preset) -> tuple[Preset, list[Finding]]:
    """The preset, without its own expectations where their file is wrong."""
    try:
        day_expectations(preset)
    except ConfigError as wrong:
        text, _, remedy = str(wrong).partition("; ")
        finding = error(Part.PRESET, str(preset.expectations), text, remedy or "correct the file")
        return preset.model_copy(update={"expectations": None}), [finding]
    return preset, []


def check_rows(
    connection: Connection, preset: Preset, mended: dict[str, MendedTable], skipped: set[str]
) -> Iterator[Finding]:
    """Numbers of rows, names and sizes of domains, then each expectation; `skipped` tables only serve joins."""
    for table, count in (("requests", "count(*)"), ("ads", "count(*)"), (SUMMARY, "sum(candidates)")):
        (row,) = rows(connection, f"select {count} as n from {table}")
        yield fact(Part.ROWS, table.removesuffix("_summary"), counted(row["n"], "row"))
    yield from _explored(connection, mended["candidates"])
    unknown = {column for table in mended.values() for column in table.unknown}
    for table, (column, key) in _OF_DOMAINS.items():
        if column not in unknown:
            yield from _names(connection, table, column, key, preset)
    if not unknown & {"surface", "product", "request_id", "ad_id"}:
        yield from _domains(connection, preset)
    for table, expectations in day_expectations(preset).items():
        for expect in expectations:
            if table not in skipped and _can_be_asked(expect, unknown):
                yield from _ask(connection, table, expect)


def _explored(connection: Connection, candidates: MendedTable) -> Iterator[Finding]:
    """How many rows are explored, where the logs say it."""
    if "explored" not in candidates.unknown:
        (row,) = rows(connection, "select count(*) filter (explored) as n from candidates")
        yield fact(Part.ROWS, "candidates.explored", counted(row["n"], "row"))


def _names(connection: Connection, table: str, column: str, key: str, preset: Preset) -> Iterator[Finding]:
    """Surfaces or products that only the logs have, or only the preset."""
    found = rows(
        connection,
        f"select {column} as domain_name, count(*) as n from {table} where {column} is not null group by {column} "
        f"order by {column}",
    )
    counts = {row["domain_name"]: row["n"] for row in found}
    declared: tuple[str, ...] = getattr(preset.domains, key)
    for name in counts.keys() - set(declared):
        near = nearest(name, [other for other in declared if other not in counts])
        meant = f"when '{name}' then '{near}'" if near else ""
        remedy = f"add it to domains.{key}, or leave its rows out in source_{table}.sql"
        yield error(
            Part.ROWS,
            f"{table}.{column}",
            f"{name!r} is not declared; {counted(counts[name], 'row')} of it",
            f"rename it in source_{table}.sql: case {column} {meant} else {column} end; or {remedy}"
            if near
            else remedy,
        )
    for name in declared:
        if name not in counts:
            say = error if preset.data.min_domain_rows else warning
            yield say(
                Part.ROWS,
                f"{table}.{column}",
                f"no row has {name!r}, which domains.{key} declares",
                f"take it out of domains.{key}, or deliver its rows",
            )


def _domains(connection: Connection, preset: Preset) -> Iterator[Finding]:
    """Candidates of each surface and product against the preset's minimum."""
    least = preset.data.min_domain_rows
    counts = {
        (row["surface"], row["product"]): row["candidates"] for row in rows(connection, f"from {SUMMARY}")
    }
    there = {name for domain in rows(connection, _THERE) for name in domain.values()}
    for domain in preset.domains.domains:
        if not there.issuperset(domain):
            continue  # it is said already that no row has the surface, or the product
        found = counts.get((domain.surface, domain.product), 0)
        place = f"candidates, {domain.surface} × {domain.product}"
        if found < least:
            text = f"{counted(found, 'row')}; data.min_domain_rows is {least:,}"
            yield warning(
                Part.ROWS, place, text, "lower data.min_domain_rows, merge domains, or deliver more rows"
            )
        else:
            yield fact(Part.ROWS, place, counted(found, "row"))


def _can_be_asked(expect: Expect, unknown: set[str]) -> bool:
    """Whether its columns are there, it needs no other day, and nothing else here says the same."""
    columns = set((expect.column or "").split(", "))
    alone = not (columns & unknown) or expect.name in ("numbers_finite", "features_null_where_lacking")
    return alone and expect.needs in (Needs.NOTHING, Needs.POSITION) and expect.name not in _SAID_OTHERWISE


def _ask(connection: Connection, table: str, expect: Expect) -> Iterator[Finding]:
    batch = table
    if table == "candidates":
        batch = SUSPECTS if expect.where is not None else _JOINED
    query = expect.query if expect.where is None else expect.query.replace("{where}", f"({expect.where})")
    place = f"{table}.{expect.column}" if expect.column and "," not in expect.column else table
    say: Callable[..., Finding] = partial(Finding, part=Part.ROWS, place=place, level=_level(expect))
    try:
        found = rows(
            connection,
            f'select *, count(*) over () as "row.count" from ({query.replace("{batch}", batch)}\n) limit 1',
        )
    except EngineError as wrong:
        if is_without_memory(wrong):
            raise
        yield say(
            text=f"{expect.name} can't be run: {str(wrong).splitlines()[0]}", remedy="correct the expectation"
        )
        return
    for row in found:
        count = row.pop("row.count")
        yield say(
            text=f"{expect.name} fails: {counted(count, 'row')}, such as {_sample(row)}. {expect.description}",
            remedy=f"correct the logs, or source_{table}.sql",
        )


def _level(expect: Expect) -> Level:
    return Level.ERROR if expect.severity is Severity.CRITICAL else Level.WARNING


def _sample(row: dict[str, Any]) -> str:
    return ", ".join(f"{column} {'null' if value is None else value}" for column, value in row.items())
