"""One day's rows against the expectations of validation, without great-expectations; its features; and what mends it.

The expectations are queries; here they run on the same tables as in `mtmd.validate`. What compares the day with
earlier days is left to validation. What mends a column is tried on the day before it is said.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import duckdb

from mtmd.config import Preset
from mtmd.expectations import Expect, Severity, day_expectations
from mtmd.expectations.common import listed
from mtmd.extract.database import Database
from mtmd.extract.sources import load_sources
from mtmd.extras.check.findings import Finding, Level, counted, fact, hint, problem
from mtmd.features import Feature, Hashed
from mtmd.logs.contract import TABLES, TIME_OFFSET, text_time_sql
from mtmd.logs.digests import SourceFiles
from mtmd.logs.reading import Connection, parameters
from mtmd.logs.source import LogSource
from mtmd.logs.sql import literal, sql_name
from mtmd.validate.staging import stage_day

Kinds = tuple[str, str]  # the type that a column has, and the declared one
_SPREAD = 10  # buckets for each value of a category: about a tenth then meets another in its bucket
_SHOWN = 3  # rows or values
_NUMBER = "^[^0-9-]*(-?[0-9]+([.][0-9]+)?)[^0-9]*$"  # one number, whatever stands around it
_DATES = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d-%m-%Y", "%d %b %Y", "%Y%m%d")
_CLOCKS = ("%H:%M:%S", "%H:%M:%S.%f", "%H:%M", "%I:%M:%S %p")
_SINCE_1970 = ("make_timestamp({})", "make_timestamp_ms({})", "make_timestamp({} * 1000000)")


def check_rows(
    connection: Any, source: LogSource, files: SourceFiles, day: date, preset: Preset
) -> Iterator[Finding]:
    """Numbers of rows, then each expectation and each feature. The files' columns are as declared.

    Raises LogsError where a value can't be read, and DuckDB's errors.
    """
    database = Database(url="", connection=connection)
    load_sources(connection, source, files, day, preset.declarations)
    stage_day(database, source, files, day, preset.declarations)
    for table in TABLES:
        (row,) = database.rows(f"select count(*) as n from {table}")
        yield fact(table, f"{counted(row['n'], 'row')} on {day}")
    in_per_cent = _in_per_cent(database, preset.declarations.domains.task_names)
    if in_per_cent:
        yield _per_cent(database, source, day, in_per_cent)
    answered = {f"{task}_is_a_probability" for task in in_per_cent}
    for table, expectations in day_expectations(preset).items():
        for expect in expectations:
            if expect.name not in answered:
                yield from _ask(database, table, expect, _remedy(database, source, table, day, expect))
    yield from _check_features(database, preset)


def _in_per_cent(database: Database, tasks: Sequence[str]) -> list[str]:
    """Scores that are between 0 and 100, where those of some task are mostly above 1."""
    asked = ", ".join(
        f"(select struct_pack(high := max({t}) > 1 and min({t}) > 0 and max({t}) < 100, most := median({t}) > 1) "
        f"from candidates where not isnan({t})) as {t}"
        for t in map(sql_name, tasks)
    )
    (found,) = database.rows(f"select {asked}")
    high = [task for task in tasks if found[task]["high"]]
    return high if any(found[task]["most"] for task in high) else []


def _per_cent(database: Database, source: LogSource, day: date, tasks: Sequence[str]) -> Finding:
    one = sql_name(tasks[0])
    rows = database.rows(
        f"select {one} as v from candidates where {one} > 1 order by hash(ad_id) limit {_SHOWN}"
    )
    sample = ", ".join(f"{row['v']:.4g}" for row in rows)
    columns = {task: _from_day(day, f"{sql_name(task)} / 100", sql_name(task)) for task in tasks}
    text = f"scores between 0 and 100, such as {sample}: they look like per cent, and must be between 0 and 1"
    return problem(f"candidates.{', '.join(tasks)}", text, _replaced(source, "candidates", columns))


def _remedy(database: Database, source: LogSource, table: str, day: date, expect: Expect) -> str:
    if expect.name == "ts_inside_the_day":
        (ends,) = database.rows(f"select min(ts) as a, max(ts) as b from {table}")
        if shift := _shift(day, ends["a"], ends["b"]):
            return _replaced(source, table, {"ts": _from_day(day, f"ts{shift}", "ts")})
    return f"correct the logs, source_{table}.sql, or what the preset declares"


def _from_day(day: date, value: str, before: str) -> str:
    return f"case when $day >= date '{day}' then {value} else {before} end"


def _replaced(source: LogSource, table: str, columns: Mapping[str, str]) -> str:
    """The change of a table's statement that gives columns other values."""
    values = ", ".join(f"{value} as {sql_name(column)}" for column, value in columns.items())
    return f"in {source.file(table)}: select * replace ({values}) from (the statement that is there)"


def mended(
    connection: Connection,
    source: LogSource,
    table: str,
    paths: Sequence[Path],
    day: date,
    column: str,
    kinds: Kinds,
) -> tuple[str, str]:
    """Some values of a column that has the first of two types, and the statement that reads it as the second.

    Each way is tried on the files. It is none where a value becomes null or another one, where the texts around numbers
    differ, or where times are not of the day. Both are empty where the statement can't be run, the second where no way
    is left. Days that are as declared are read as before.
    """
    name, statement = sql_name(column), source.statement(table)
    given = parameters(statement, paths, day)
    rows = f"from ({statement}\n) where {name} is not null"
    shown = f"select distinct left(cast({name} as varchar), 40) {rows} order by 1 limit {_SHOWN}"
    try:
        values = ", ".join(literal(value) for (value,) in connection.execute(shown, given).fetchall())
    except duckdb.Error:
        return "", ""
    for before, way, kept in _ways(name, *kinds):
        with suppress(duckdb.Error):
            tried = f"select count({way}) = count(*) and {kept}, min({way}), max({way}) {rows}"
            ((whole, *ends),) = connection.execute(tried, given).fetchall()
            shift = _shift(day, *ends) if whole and kinds[1] == "TIMESTAMP" else ""
            if not whole or shift is None:
                continue
            value = f"{before}{way}{shift}" + ")" * bool(before)
            value = _from_day(day, value, way) if shift and not before else value
            return values, _replaced(source, table, {column: value})
    return values, ""


def _ways(name: str, found: str, declared: str) -> Iterator[tuple[str, str, str]]:
    """SQL that may read a column as declared, the plainest first.

    Each is what stands before it for days that are as declared, itself, and a condition of all rows.
    """
    plain, text = f"cast({name} as {declared})", f"cast({name} as varchar)"
    before = f"coalesce(try_cast({name} as {declared}), "
    whole = "true"
    if declared in {"INTEGER", "BIGINT"}:  # a cast of text rounds
        whole = f"not coalesce(bool_or(regexp_matches({text}, '[.][0-9]*[1-9]')), false)"
    if found != "VARCHAR":
        yield "", plain, f"bool_and(cast({plain} as {found}) = {name})"
    elif declared != "TIMESTAMP":
        yield "", plain, whole
    if declared == "TIMESTAMP" and found == "VARCHAR":
        yield "", plain, f"coalesce(not bool_or(regexp_matches({name}, '{TIME_OFFSET}')), true)"
        yield "", text_time_sql(text), "true"
        for day, clock in product(_DATES, _CLOCKS):
            yield before, f"strptime({text}, '{day} {clock}')", "true"
    elif declared == "TIMESTAMP":
        before, number = f"coalesce(try_cast({text} as timestamp), ", f"try_cast({text} as bigint)"
        yield from ((before, way.format(number), "true") for way in _SINCE_1970)
    elif found == "VARCHAR" and declared != "BOOLEAN":
        number = f"cast(regexp_extract({text}, '{_NUMBER}', 1) as {declared})"
        around = f"regexp_replace({text}, '-?[0-9.]+', '')"
        yield before, number, f"count(distinct {around}) = 1 and {whole}"


def _shift(day: date, first: Any, last: Any) -> str | None:
    """What is to be taken off times so that all are of the day: the one half hour, or quarter, that does; or None."""
    begin, end = datetime.combine(day, time()), datetime.combine(day, time.max)
    if first is None:
        return ""
    # Python has times that are far away as text.
    if not all(isinstance(one, datetime) and abs(one - begin).days < 2 for one in (first, last)):
        return None
    for step in (30, 15):
        offsets = (timedelta(minutes=minutes) for minutes in range(-14 * 60, 14 * 60 + 1, step))
        fits = [one for one in offsets if begin <= first - one and last - one <= end]
        if timedelta() in fits:
            return ""
        if fits:
            return None if fits[1:] else f" - interval '{fits[0] // timedelta(minutes=1)} minutes'"
    return None


def _ask(database: Database, table: str, expect: Expect, remedy: str) -> Iterator[Finding]:
    query = expect.query.replace("{batch}", table)
    place = f"{table}.{expect.column}" if expect.column and "," not in expect.column else table
    try:
        found = database.rows(f'select *, count(*) over () as "row.count" from ({query}\n) limit {_SHOWN}')
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as wrong:
        text = f"{expect.name} can't be run: {str(wrong).splitlines()[0]}"
        yield problem(place, text, "correct the expectation")
        return
    if found:
        (count, *_) = [row.pop("row.count") for row in found]
        sample = "; ".join(
            ", ".join(f"{column} {'null' if value is None else value}" for column, value in row.items())
            for row in found
        )
        yield Finding(
            level=Level.PROBLEM if expect.severity is Severity.CRITICAL else Level.HINT,
            place=place,
            text=f"{expect.name} fails: {counted(count, 'row')}, such as {sample}. {expect.description}",
            remedy=remedy,
        )


def _check_features(database: Database, preset: Preset) -> Iterator[Finding]:
    """A hint for each feature that says nothing, or has too few buckets."""
    sides = (("requests", "surface", preset.declarations.query), ("ads", "product", preset.declarations.item))
    for table, domain, schema in sides:
        asked = ", ".join(_counts(table, domain, n, feature) for n, feature in enumerate(schema.fields))
        (row,) = database.rows(f"select {asked} from {table}")
        for n, feature in enumerate(schema.fields):
            yield from _hints(f"{table}.{feature.name}", feature, row[f"present{n}"], row[f"distinct{n}"])


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
