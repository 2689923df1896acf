"""The rows of one day against the expectations of validation, without great-expectations; and what a run will read.

The expectations are queries; here they run on the same tables as in `mtmd.validate`. What compares the day with
earlier days is left to validation.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from math import log2
from pathlib import Path
from typing import Any

import duckdb

from mtmd.config import Preset, SideSchema
from mtmd.config.problems import nearest
from mtmd.expectations import Expect, Needs, Severity, day_expectations
from mtmd.expectations.candidates import SUMMARY, SUSPECTS
from mtmd.logs.contract import table_columns
from mtmd.logs.reading import Columns, create_source_view
from mtmd.logs.source import LogSource
from mtmd.project.days import window_files
from mtmd.project.findings import Finding, Level, Part, counted, error, fact, warning
from mtmd.validate.gx_duckdb import Database
from mtmd.validate.staging import stage_day

_JOINED = "candidates_joined"
_THERE = "select distinct surface as name from requests union select distinct product from ads"
_OF_DOMAINS = {"requests": ("surface", "surfaces"), "ads": ("product", "products")}
_SAID_OTHERWISE = ("surface_known", "product_known", "domain_rows", "vectors_whole")
# Bytes of keys and links, and of a list's place and length; mtmd/extract/shards.py lists the columns of a shard.
_REQUEST, _AD, _CANDIDATE, _TASK, _LIST = 25, 9, 13, 5, 12


def stage(
    database: Database,
    source: LogSource,
    files: Mapping[str, Mapping[Path, Columns]],
    day: date,
    preset: Preset,
) -> None:
    """Make the day's tables of `files`, whose columns are as declared; raises as `stage_day` does."""
    declared = table_columns(preset.declarations)
    for table, found in files.items():
        create_source_view(database.connection, f"source_{table}", source, table, day, declared[table], found)
    present = dict.fromkeys(Needs, False) | {
        Needs.NOTHING: True,
        Needs.POSITION: all("position" in columns for columns in files["candidates"].values()),
    }
    paths = {table: list(found) for table, found in files.items()}
    stage_day(database, source, paths, day, preset, present)


def check_rows(database: Database, preset: Preset) -> Iterator[Finding]:
    """Numbers of rows, names and sizes of domains, then each expectation."""
    for table, count in (("requests", "count(*)"), ("ads", "count(*)"), (SUMMARY, "sum(candidates)")):
        (row,) = database.rows(f"select {count} as n from {table}")
        yield fact(Part.ROWS, table.removesuffix("_summary"), counted(row["n"], "row"))
    for table, (column, key) in _OF_DOMAINS.items():
        yield from _names(database, table, column, key, preset)
    yield from _domains(database, preset)
    for table, expectations in day_expectations(preset).items():
        for expect in expectations:
            if expect.needs in (Needs.NOTHING, Needs.POSITION) and expect.name not in _SAID_OTHERWISE:
                yield from _ask(database, table, expect)


def _names(database: Database, table: str, column: str, key: str, preset: Preset) -> Iterator[Finding]:
    """Surfaces or products that only the logs have, or only the preset."""
    found = database.rows(
        f"select {column} as domain_name, count(*) as n from {table} where {column} is not null group by {column} "
        f"order by {column}"
    )
    counts = {row["domain_name"]: row["n"] for row in found}
    declared: tuple[str, ...] = getattr(preset.domains, key)
    place = f"{table}.{column}"
    for name in counts.keys() - set(declared):
        near = nearest(name, [other for other in declared if other not in counts])
        remedy = f"add it to domains.{key}, or leave its rows out in source_{table}.sql"
        if near:
            case = f"case {column} when '{name}' then '{near}' else {column} end"
            remedy = f"rename it in source_{table}.sql: {case}; or {remedy}"
        yield error(
            Part.ROWS, place, f"{name!r} is not declared; {counted(counts[name], 'row')} of it", remedy
        )
    for name in declared:
        if name not in counts:
            say = error if preset.data.min_domain_rows else warning
            text = f"no row has {name!r}, which domains.{key} declares"
            yield say(Part.ROWS, place, text, f"take it out of domains.{key}, or deliver its rows")


def _domains(database: Database, preset: Preset) -> Iterator[Finding]:
    """Candidates of each surface and product against the preset's minimum."""
    least = preset.data.min_domain_rows
    counts = {(row["surface"], row["product"]): row["candidates"] for row in database.rows(f"from {SUMMARY}")}
    there = {name for domain in database.rows(_THERE) for name in domain.values()}
    for domain in preset.domains.domains:
        if not there.issuperset(domain):
            continue  # it is said already that no row has the surface, or the product
        found = counts.get((domain.surface, domain.product), 0)
        place = f"candidates, {domain.surface} × {domain.product}"
        if found >= least:
            yield fact(Part.ROWS, place, counted(found, "row"))
        else:
            text = f"{counted(found, 'row')}; data.min_domain_rows is {least:,}"
            remedy = "lower data.min_domain_rows, merge domains, or deliver more rows"
            yield warning(Part.ROWS, place, text, remedy)


def _ask(database: Database, table: str, expect: Expect) -> Iterator[Finding]:
    batch = table
    if table == "candidates":
        batch = SUSPECTS if expect.where is not None else _JOINED
    query = expect.query if expect.where is None else expect.query.replace("{where}", f"({expect.where})")
    place = f"{table}.{expect.column}" if expect.column and "," not in expect.column else table
    level = Level.ERROR if expect.severity is Severity.CRITICAL else Level.WARNING
    try:
        found = database.rows(
            f'select *, count(*) over () as "row.count" from ({query.replace("{batch}", batch)}\n) limit 1'
        )
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as wrong:
        text, remedy = f"{expect.name} can't be run: {str(wrong).splitlines()[0]}", "correct the expectation"
        yield Finding(part=Part.ROWS, place=place, level=level, text=text, remedy=remedy)
        return
    for row in found:
        count = row.pop("row.count")
        text = f"{expect.name} fails: {counted(count, 'row')}, such as {_sample(row)}. {expect.description}"
        remedy = f"correct the logs, or source_{table}.sql"
        yield Finding(part=Part.ROWS, place=place, level=level, text=text, remedy=remedy)


def _sample(row: dict[str, Any]) -> str:
    return ", ".join(f"{column} {'null' if value is None else value}" for column, value in row.items())


def check_cost(
    database: Database, preset: Preset, source: LogSource, days: Sequence[date]
) -> Iterator[Finding]:
    """Facts about the window and the held-out day, `days`, as if all were as large as the staged one."""
    (counts,) = database.rows(
        "select (select count(*) from requests) as requests, (select count(*) from ads) as ads, "
        f"(select sum(candidates)::bigint from {SUMMARY}) as candidates"
    )
    listed = ", ".join(f"{n * len(days):,} {table}" for table, n in counts.items())
    yield fact(Part.COST, "rows", f"{len(days)} days: about {listed}")
    files = window_files(source, days)  # those of remote tables are not known before they are fetched
    size = bytes_in_words(sum(path.stat().st_size for path in files))
    yield fact(Part.COST, "files", f"{len(files):,} files, {size}")
    shards = bytes_in_words(day_bytes(preset, **counts) * len(days))
    yield fact(Part.COST, "shards", f"about {shards} in artifacts/{preset.name}/shards")


def day_bytes(preset: Preset, *, requests: int, ads: int, candidates: int) -> int:
    """Bytes of one day's shard."""
    query, item = map(_row_bytes, (preset.declarations.query, preset.declarations.item))
    pair = _CANDIDATE + _TASK * len(preset.domains.tasks)
    return requests * (_REQUEST + query) + ads * (_AD + item) + candidates * pair


def _row_bytes(side: SideSchema) -> int:
    """Every number, hashed category and component of a vector has four bytes; a list at most those of its values."""
    lists = sum(_LIST + 4 * (f.max_length or 0) * (1 + len(f.companions)) for f in side.lists)
    return 4 * (len(side.continuous) + len(side.categorical) + side.vector_width) + lists


def bytes_in_words(size: float) -> str:
    """A number of bytes in its largest unit."""
    if size < 1024:
        return f"{size:.0f} bytes"
    power = min(int(log2(size) // 10), 4)
    return f"{size / 1024**power:.1f} {('KiB', 'MiB', 'GiB', 'TiB')[power - 1]}"
