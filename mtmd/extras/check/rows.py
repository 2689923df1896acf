"""One day's rows against the expectations of validation, without great-expectations; and what mends them.

The expectations are queries; here they run on the same tables as in `mtmd.validate`. What compares the day with
earlier days is left to validation. What mends a column is tried on the day before it is said.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import duckdb

from mtmd.config import Preset
from mtmd.config.base import nearest
from mtmd.expectations import Expect, Severity, day_expectations
from mtmd.expectations.common import listed
from mtmd.extract.blame import SHOWN, column_change, sample
from mtmd.extract.database import Database
from mtmd.extract.sources import load_sources
from mtmd.extras.check.findings import Finding, Level, counted, fact, problem
from mtmd.logs.contract import TABLES, TIME_OFFSET, text_time_sql
from mtmd.logs.digests import SourceFiles
from mtmd.logs.places import of_day
from mtmd.logs.reading import Connection, as_it_is, parameters
from mtmd.logs.source import LogSource
from mtmd.logs.sql import duckdb_paths, literal, sql_name
from mtmd.validate.staging import stage_day

Kinds = tuple[str, str]  # the type that a column has, and the declared one
_NUMBER = "^[^0-9-]*(-?[0-9]+([.][0-9]+)?)[^0-9]*$"  # one number, whatever stands around it
_READER = re.compile(r"read_parquet\s*\(\s*\$paths[^()]*\)", re.IGNORECASE)
_DATES = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d-%m-%Y", "%d %b %Y", "%Y%m%d")
_CLOCKS = ("%H:%M:%S", "%H:%M:%S.%f", "%H:%M", "%I:%M:%S %p")
_SINCE_1970 = ("make_timestamp({})", "make_timestamp_ms({})", "make_timestamp({} * 1000000)")


def check_rows(
    database: Database, source: LogSource, files: SourceFiles, day: date, preset: Preset
) -> Iterator[Finding]:
    """Numbers of rows, then each expectation. The files' columns are as declared; `database` then has the tables.

    Raises LogsError where a value can't be read, and DuckDB's errors.
    """
    load_sources(database.connection, source, files, day, preset.declarations)
    stage_day(database, source, files, day, preset.declarations)
    for table in TABLES:
        (row,) = database.rows(f"select count(*) as n from {table}")
        yield fact(table, f"{counted(row['n'], 'row')} on {day}")
    in_per_cent = _in_per_cent(database, preset.declarations.domains.score_tasks)
    if in_per_cent:
        yield _per_cent(database, source, day, in_per_cent)
    answered = {f"{task}_is_a_probability" for task in in_per_cent}
    failed: set[str] = set()
    for table, expectations in day_expectations(preset).items():
        for expect in expectations:
            if expect.name in answered:
                continue
            for found in _ask(database, table, expect):
                remedy = found.remedy or _remedy(database, source, table, day, expect, preset, failed)
                yield found.model_copy(update={"remedy": remedy})
                failed.add(f"{table}.{expect.name}")


def _in_per_cent(database: Database, tasks: Sequence[str]) -> list[str]:
    """Scores that are between 0 and 100, where those of some task are mostly above 1."""
    if not tasks:
        return []
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
        f"select {one} as v from candidates where {one} > 1 order by hash(ad_id) limit {SHOWN}"
    )
    shown = ", ".join(f"{row['v']:.4g}" for row in rows)
    columns = {task: _from_day(day, f"{sql_name(task)} / 100", sql_name(task)) for task in tasks}
    text = f"scores between 0 and 100, such as {shown}: they look like per cent, and must be between 0 and 1"
    return problem(f"candidates.{', '.join(tasks)}", text, _replaced(source, "candidates", columns))


def _remedy(
    database: Database,
    source: LogSource,
    table: str,
    day: date,
    expect: Expect,
    preset: Preset,
    failed: set[str],
) -> str:
    """What mends a failed expectation; `failed` are those before it."""
    if expect.name == "ts_inside_the_day":
        (ends,) = database.rows(f"select min(ts) as a, max(ts) as b from {table}")
        if shift := _shift(day, ends["a"], ends["b"]):
            return _replaced(source, table, {"ts": _from_day(day, f"ts{shift}", "ts")})
    again = delivered(source, table, day)
    side = expect.name.removesuffix("_known")
    domains = {"surface": preset.domains.surfaces, "product": preset.domains.products}.get(side)
    if domains is not None and expect.column == side:
        rows = database.rows(
            f"select distinct {side} as v from {table} where {side} not in ({listed(domains)})"
        )
        plain = {row["v"]: re.sub("[^a-z0-9]+", "_", row["v"].lower()).strip("_") for row in rows}
        names = {value: re.sub("^(?![a-z])", "n_", name) for value, name in sorted(plain.items())}
        told = []
        if set(names.values()) - set(domains):
            named = ", ".join(json.dumps(name) for name in dict.fromkeys((*domains, *names.values())))
            told.append(f"where it is a new one: in [domains] of the preset: {side}s = [{named}]")
        if list(names) != list(names.values()):
            cases = "".join(f" when {literal(v)} then {literal(n)}" for v, n in names.items())
            told.append(_replaced(source, table, {side: f"case {side}{cases} else {side} end"}))
        return f"{', and '.join(told)}; or else {again}"
    key, _, exists = expect.name.partition("_")
    if exists == "exists" and f"{key}s" in TABLES:
        lost = {f"{key}s.{name}" for name in ("has_rows", f"{key}_id_unique", f"{key}_id_not_null")} & failed
        first = f"mend {key}s.{key}_id first" if lost else delivered(source, f"{key}s", day)
        return f"{first}: these may be ids that its rows have lost; or else {again}"
    return f"{again}; or correct {source.file(table)}, or what the preset declares"


def delivered(source: LogSource, table: str, day: date) -> str:
    """That a table's day is to be delivered, and where to."""
    return f"deliver {table} of {day} to {of_day(source.table(table).place, day)}"


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
    """Some values of a column of the statement, and the statement that reads it as declared.

    Both are empty where the statement can't be run, the second where no way is left.
    """
    statement = source.statement(table)
    rows, given = f"({statement}\n)", parameters(statement, paths, day)
    try:
        values = sample(connection, sql_name(column), rows, given)
    except duckdb.Error:
        return "", ""
    value = _read_as(connection, rows, given, day, sql_name(column), kinds)
    return values, _replaced(source, table, {column: value}) if value else ""


def _read_as(
    connection: Connection, rows: str, given: dict[str, Any], day: date, name: str, kinds: Kinds
) -> str:
    """SQL that reads a column of `rows`, which has the first of two types, as the second; empty where nothing does.

    Each way is tried. It is none where a value becomes null or another one, where the texts around numbers differ, or
    where times are not of the day. Days that are as declared are read as before.
    """
    for before, way, kept in _ways(name, *kinds):
        with suppress(duckdb.Error):
            tried = f"select count({way}) = count(*) and {kept}, min({way}), max({way}) from {rows}"
            tried += f" where {name} is not null"
            ((whole, *ends),) = connection.execute(tried, given).fetchall()
            shift = _shift(day, *ends) if whole and kinds[1] == "TIMESTAMP" else ""
            if not whole or shift is None:
                continue
            value = f"{before}{way}{shift}" + ")" * bool(before)
            return _from_day(day, value, way) if shift and not before else value
    return ""


def changed(connection: Connection, source: LogSource, table: str, day: date) -> Iterator[Finding]:
    """Columns that the statement reads, and that the day's files have in another type or under another name.

    The remedy reads both days' files; what it gives of the earlier day is as before.
    """
    paths, text, stored = source.day_files(table, day), source.statement(table), as_it_is(source, table)
    change = column_change(connection, source, table, paths, day)
    read = _READER.search(text)
    if change is None or read is None:
        return
    rows, given = f"({stored})", {"paths": duckdb_paths(paths)}
    for old, kind in change.gone.items():
        alike = [name for name, own in change.new.items() if own == kind]
        name = old if old in change.new else nearest(old, alike) or "".join(alike[: len(alike) == 1])
        both = f"({literal(old)}, {literal(name)})"
        reader = f"select columns(lambda c: c not in {both}), "
        reader += f"coalesce(*columns(lambda c: c in {both})) as {sql_name(old)}"
        if name == old:
            value = _read_as(connection, rows, given, day, sql_name(old), (change.new[old], kind))
            reader = f"select * replace ({value} as {sql_name(old)})" if value else ""
        reader = f"({reader} from {read[0]})"
        mending = text.replace(read[0], reader)
        days = {change.until: source.day_files(table, change.until), day: paths}
        with suppress(duckdb.Error):
            before, now = (
                connection.execute(f"describe ({mending}\n)", parameters(mending, files, one)).fetchall()
                for one, files in days.items()
            )
            connection.execute(
                f"select max(hash(t)) from ({mending}\n) as t", parameters(mending, paths, day)
            )
            if before == now and name:
                values = sample(connection, sql_name(name), rows, given)
                said = f"is {name} ({change.new[name]}) since {day}, such as {values}; "
                said += f"until {change.until} {old} ({kind})"
                remedy = f"in {source.file(table)}: write {reader} in the place of {read[0]}"
                yield problem(f"{table}.{old}", said, remedy)


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


def _ask(database: Database, table: str, expect: Expect) -> Iterator[Finding]:
    query = expect.query.replace("{batch}", table)
    place = f"{table}.{expect.column}" if expect.column and "," not in expect.column else table
    try:
        found = database.rows(f'select *, count(*) over () as "row.count" from ({query}\n) limit {SHOWN}')
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as wrong:
        text = f"{expect.name} can't be run: {str(wrong).splitlines()[0]}"
        yield problem(place, text, "correct the expectation")
        return
    if found:
        (count, *_) = [row.pop("row.count") for row in found]
        shown = "; ".join(
            ", ".join(f"{column} {'null' if value is None else value}" for column, value in row.items())
            for row in found
        )
        yield Finding(
            level=Level.PROBLEM if expect.severity is Severity.CRITICAL else Level.HINT,
            place=place,
            text=f"{expect.name} fails: {counted(count, 'row')}, such as {shown}. {expect.description}",
        )
