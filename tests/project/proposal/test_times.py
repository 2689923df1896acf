"""The time of a request is found by its values, and read by SQL that gives the same times."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from mtmd.errors import LogsError
from mtmd.extract.database import session
from mtmd.project.engine import Connection, rows
from mtmd.project.proposal.looks import DAYS_LOOKED_AT, LookedAt, look_at
from mtmd.project.proposal.places import TablePlace
from mtmd.project.proposal.times import RequestTime, find_time
from mtmd.project.proposal.write import statement
from tests.project.proposal.looked import looked

DAYS = [date(2026, 1, 1), date(2026, 1, 5)]
NOON = "timestamp '2026-01-05 12:00:00' + interval (n) second"  # of the newest day
ROWS = 20


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    with session(tmp_path / "spill", [tmp_path]) as opened:
        yield opened


def _looked(connection: Connection, folder: Path, columns: dict[str, str]) -> LookedAt:
    lists = {name: f"[{sql} for n in range({ROWS})]" for name, sql in columns.items()}
    return looked(connection, folder, "requests", lists)


def _time(connection: Connection, folder: Path, **columns: str) -> RequestTime:
    table = _looked(connection, folder, columns)
    return find_time(connection, table, list(columns), DAYS)


@pytest.mark.parametrize(
    ("values", "sql"),
    [
        (NOON, "x"),
        (f"strftime({NOON}, '%Y-%m-%dT%H:%M:%SZ')", "make_timestamp(epoch_us(cast(x as timestamptz)))"),
        (f"strftime({NOON}, '%Y-%m-%d %H:%M:%S.%f')", "cast(x as timestamp)"),
        (f"strftime({NOON} + interval 9 hour, '%Y-%m-%dT%H:%M:%S+09:00')",
         "make_timestamp(epoch_us(cast(x as timestamptz)))"),
        (f"strftime({NOON}, '%d/%m/%Y %H:%M:%S')", "strptime(x, '%d/%m/%Y %H:%M:%S')"),
        (f"strftime({NOON}, '%m/%d/%Y %H:%M:%S')", "strptime(x, '%m/%d/%Y %H:%M:%S')"),
        (f"cast(epoch_ms({NOON}) as varchar)", "make_timestamp_ms(cast(x as bigint))"),
        (f"epoch_ms({NOON}) // 1000", "make_timestamp(x * 1000000)"),
        (f"cast(epoch_ms({NOON}) // 1000 as integer)", "make_timestamp(cast(x as bigint) * 1000000)"),
        (f"cast(epoch_us({NOON}) as ubigint)", "make_timestamp(cast(x as bigint))"),
        (f"epoch_us({NOON})", "make_timestamp(x)"),
        (f"epoch_ns({NOON})", "make_timestamp(x // 1000)"),
        (f"cast(epoch_ms({NOON}) // 1000 as decimal(13, 3))",
         "make_timestamp(cast(cast(x as double) * 1000000 as bigint))"),
        (f"epoch_us({NOON}) / 1e6", "make_timestamp(cast(x * 1000000 as bigint))"),
        (f"cast(strftime({NOON}, '%Y%m%d%H%M%S') as bigint)", "strptime(cast(x as varchar), '%Y%m%d%H%M%S')"),
    ],
)  # fmt: skip
def test_times_are_found_in_every_type_and_read_as_they_are(
    connection: Connection, tmp_path: Path, values: str, sql: str
) -> None:
    found = _time(connection, tmp_path, x=values, ts="n", hour="12", dwell="n * 1.5e0", key="hash(n)")
    assert (found.chosen.look.name, found.chosen.sql, found.others) == ("x", sql, ())
    (read,) = rows(
        connection, f"select count(*) as n from requests where {sql} = {NOON.replace('(n)', '(ts)')}"
    )
    assert read["n"] == ROWS
    # the first line of what is understood names it
    assert found.understood == ([] if sql == "x" else [f"x is {found.chosen.look.type}: read as {sql}"])


@pytest.mark.parametrize(
    ("form", "sql"),
    [
        ("%m/%d/%Y %H:%M:%S", "strptime(x, '%m/%d/%Y %H:%M:%S')"),
        ("%d/%m/%Y %H:%M:%S", "strptime(x, '%d/%m/%Y %H:%M:%S')"),
        ("%d-%m-%Y %H:%M:%S", "strptime(x, '%d-%m-%Y %H:%M:%S')"),
        ("%m/%d/%Y", "strptime(x, '%m/%d/%Y')"),
        ("%Y-%m-%d %H:%M:%S", "cast(x as timestamp)"),
        ("%Y-%m-%dT%H:%M:%SZ", "make_timestamp(epoch_us(cast(x as timestamptz)))"),
    ],
)
def test_the_order_of_day_and_month_in_csv_files_is_that_of_the_files_day(
    connection: Connection, tmp_path: Path, form: str, sql: str
) -> None:
    """DuckDB guesses it for each file anew: 01/05/2026 may be in May, though 01/25/2026 is in January."""
    for number, day in enumerate((date(2026, 1, 5), date(2026, 1, 25))):
        file = tmp_path / f"{day}.csv"
        times = f"strftime(timestamp '{day} 12:00:00' + interval (n) second, '{form}')"
        columns = f"n as key, {times} as x, date '2025-11-01' + (n % 3)::integer as born"
        connection.sql(f"select {columns} from range({ROWS}) as t(n)").write_csv(str(file))
        table = look_at(connection, f"requests_{number}", [file])
        found = find_time(connection, table, list(table.columns), [date(2026, 1, 1), day])
        assert (found.chosen.look.name, found.chosen.sql, found.others) == ("x", sql, ())
        proposed = statement(TablePlace("requests", "{day}.csv", {}), table, [f"{sql} as ts"])
        (read,) = connection.execute(
            f"select distinct cast(ts as date) from ({proposed})", {"paths": [str(file)]}
        ).fetchall()
        assert read == (day,)


@pytest.mark.parametrize("form", ["%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%m-%d-%Y %H:%M:%S", "%m/%d/%Y"])
def test_other_days_tell_the_order_where_the_newest_has_equal_numbers(
    connection: Connection, tmp_path: Path, form: str
) -> None:
    """Of 1 to 4 May, the other order makes days of January to April, which the folder has as well."""
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(125)]
    files = [tmp_path / f"{day}.csv" for day in days[-DAYS_LOOKED_AT:]]
    for day, file in zip(days[-DAYS_LOOKED_AT:], files, strict=True):
        times = f"strftime(timestamp '{day} 12:00:00' + interval (n) second, '{form}')"
        connection.sql(f"select n as key, {times} as x from range({ROWS}) as t(n)").write_csv(str(file))
    table = look_at(connection, "requests", files[-1:])
    table = table.with_values_of(look_at(connection, "requests_of_days", files))
    found = find_time(connection, table, list(table.columns), days)
    assert days[-1] == date(2026, 5, 5)
    assert (found.chosen.sql, found.others) == (f"strptime(x, '{form}')", ())


def test_text_of_which_some_has_an_offset_is_read_row_by_row(connection: Connection, tmp_path: Path) -> None:
    mixed = f"if(n = 0, '2026-01-05T21:00:00+09:00', strftime({NOON}, '%Y-%m-%d %H:%M:%S'))"
    found = _time(connection, tmp_path, x=mixed)
    (read,) = rows(connection, f"select min({found.chosen.sql}) as first from requests")
    assert str(read["first"]) == "2026-01-05 12:00:00"


def test_the_files_day_decides_and_then_the_name(connection: Connection, tmp_path: Path) -> None:
    found = _time(
        connection, tmp_path,
        ts=f"{NOON} - interval 1 day",
        day="timestamp '2026-01-05'",
        written=f"{NOON} + interval (if(n < 5, 12, 0)) hour",
        joined_at="timestamp '2020-01-01' + interval (n) hour",
        click_time=f"epoch_ms({NOON})",
        queued=NOON,
    )  # fmt: skip
    assert found.chosen.look.name == "click_time"
    assert [time.look.name for time in found.others] == ["queued", "written", "ts", "day"]
    assert found.understood[1] == (
        "ts is click_time (100% of its times are of the file's day), rather than queued (100% of its times are of the "
        "file's day), written (75% of its times are of the file's day), ts (0% of its times are of the file's day), "
        "day (days without hours)"
    )


@pytest.mark.parametrize("day", ["'2026-01-05'", "date '2026-01-05'"])
def test_a_day_alone_is_taken_and_said(connection: Connection, tmp_path: Path, day: str) -> None:
    found = _time(connection, tmp_path, dt=day)
    assert found.chosen.sql == "cast(dt as timestamp)"
    assert found.understood[-1] == (
        "all times of dt are midnight: deliver the time of each request if you have it"
    )


def test_a_zone_is_read_in_utc_wherever_the_machine_is(tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'Asia/Tokyo'")
        late = "timestamptz '2026-01-05 20:00:00+00' + interval (n) second"  # the next day in Tokyo
        assert _time(connection, tmp_path, x=late).chosen.of_the_day == 1


def test_times_of_no_day_of_the_folder_are_taken_from_a_timestamp_alone(
    connection: Connection, tmp_path: Path
) -> None:
    found = _time(connection, tmp_path, x=f"{NOON} - interval 1 year")
    assert found.understood == ["ts is x (0% of its times are of the file's day)"]
    found = _time(connection, tmp_path / "empty", x="null::timestamp")
    assert found.understood == ["ts is x (0% of its times are of the file's day)"]
    with pytest.raises(
        LogsError,
        match=r"requests: no column is the request's time: none has times from 2026-01-01 to 2026-01-05",
    ):
        _time(connection, tmp_path / "text", x="'2025-01-05 12:00:00'")
