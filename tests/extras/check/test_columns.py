"""Columns that are not as declared, each with the SQL or the setting that mends it: the SQL is run."""

from datetime import date

import duckdb
import pytest

from tests.extras.check.conftest import Project

READ = "\nfrom read_parquet($paths, hive_partitioning = false)\n"


def remedies(project: Project) -> dict[str, str]:
    """What is said of columns, and what to do, for columns of the newest day."""
    lines = (line for line in project.problems() if "earlier day" not in line)
    return dict(line.split(": ", 1) for line in lines)


def changed(project: Project, table: str, values: str) -> str:
    place = project.root / "sql" / f"source_{table}.sql"
    return f"in {place}: select * replace ({values}) from (the statement that is there)"


def test_columns_are_named_with_what_mends_them(project: Project) -> None:
    project.damage(
        "requests", "alter table t rename weekday to week_day", "alter table t alter week_day type bigint",
        "alter table t alter country type integer using 1",
        "alter table t alter user_id type varchar using 'u' || user_id",
    )  # fmt: skip
    project.damage(
        "ads", "alter table t alter bid type varchar", "alter table t drop discount",
        'alter table t add column "the ""group""" varchar',
    )  # fmt: skip
    project.damage("candidates", "alter table t drop hidden", "alter table t drop gctr")
    declare = "or declare it as a feature in the preset"
    assert remedies(project) == {
        "requests.weekday": "missing; must be INTEGER → select it as weekday; week_day may be it",
        "requests.week_day": f"not declared; is BIGINT → select * exclude (week_day); {declare}",
        "requests.country": "is INTEGER, such as '1'; must be VARCHAR → "
        + changed(project, "requests", "cast(country as VARCHAR) as country"),
        "requests.user_id": "is VARCHAR, such as 'u1', 'u10', 'u105'; must be BIGINT → "
        + changed(
            project,
            "requests",
            "coalesce(try_cast(user_id as BIGINT), cast(regexp_extract(cast(user_id as varchar), "
            "'^[^0-9-]*(-?[0-9]+([.][0-9]+)?)[^0-9]*$', 1) as BIGINT)) as user_id",
        ),
        "ads.bid": "is VARCHAR, such as '0.17241763', '0.1749296', '0.19066171'; must be FLOAT → "
        + changed(project, "ads", "cast(bid as FLOAT) as bid"),
        "ads.discount": "missing; must be FLOAT → select it as discount",
        'ads.the "group"': f'not declared; is VARCHAR → select * exclude ("the ""group"""); {declare}',
        "candidates.gctr": 'missing; must be FLOAT → select it as gctr; or set learn_from = "actions" of the '
        "task, where nothing scores candidates",
    }
    project.statement(
        "requests",
        "select * exclude (week_day) replace (cast(country as varchar) as country, cast(substr(user_id, 2) as bigint) "
        f"as user_id), cast(week_day as integer) as weekday{READ}",
    )
    project.statement(
        "ads",
        'select * exclude ("the ""group""") replace (cast(bid as float) as bid), cast(null as float) as discount'
        + READ,
    )
    project.statement("candidates", f"select *, cast(ctr / 2 as float) as gctr{READ}")
    assert remedies(project) == {}


LOCAL = "ts + interval 330 minute"  # of India
AS_TEXT = "alter table t alter ts type varchar using"


@pytest.mark.parametrize(
    ("table", "column", "damages", "right"),
    [
        ("ads", "price", ("alter table t alter price type varchar using '$' || price",), "abs(a - b) < 1e-3"),
        ("requests", "weekday", ("alter table t alter weekday type varchar using weekday || '.0'",), "a = b"),
        ("requests", "ts", (f"{AS_TEXT} strftime(ts, '%Y-%m-%dT%H:%M:%S.%fZ')",), "a = b"),
        ("requests", "ts", (f"{AS_TEXT} concat(ts + interval 2 hour, '+02:00')",), "a = b"),
        ("requests", "ts", (f"update t set ts = {LOCAL}",), "a = b"),
        ("requests", "ts", ("alter table t alter ts type bigint using epoch_us(ts)",), "a = b"),
    ],
)  # fmt: skip
def test_a_remedy_gives_the_right_values_and_earlier_days_stay(
    project: Project, table: str, column: str, damages: tuple[str, ...], right: str
) -> None:
    file, statement = project.file(table), project.root / "sql" / f"source_{table}.sql"
    if table == "requests":  # at all hours, from which an offset is told
        project.damage(table, "update t set ts = timestamp '2026-01-23' + to_seconds(rowid * 86399 // 79)")
    before = project.root / "before.parquet"
    before.write_bytes(file.read_bytes())
    project.damage(table, *damages)
    (problem,) = (line for line in project.problems() if "earlier day" not in line)
    assert "such as " in problem
    change = problem.split(".sql: ", 1)[1]
    project.statement(table, change.replace("the statement that is there", statement.read_text()))
    assert project.problems() == []
    assert project.problems(date(2026, 1, 22)) == []
    sql = statement.read_text().replace("$paths", f"'{file}'").replace("$day", "date '2026-01-23'")
    with duckdb.connect() as connection:
        asked = (
            f"select count(*) from (select {column} as a from ({sql})) positional join (select {column} as b "
            f"from '{before}') where a is distinct from b and not ({right})"
        )
        assert connection.execute(asked).fetchone() == (0,)


@pytest.mark.parametrize(
    ("table", "column", "damage"),
    [
        ("ads", "price", "using case when ad_id % 2 = 0 then price || ' EUR' else price || ' USD' end"),
        ("ads", "price", "using replace(cast(price as varchar), '.', ',') || ' EUR'"),
        ("ads", "price", "using case when ad_id % 2 = 0 then 'free' else '1' end"),
        ("requests", "weekday", "using weekday || '.5'"),
        ("requests", "weekday", "using weekday || '.5 days'"),
        ("requests", "ts", "using 'at noon'"),
        ("requests", "ts", "using strftime(ts, '%d.%m.2025 %H:%M:%S')"),
        ("requests", "ts", "using 'infinity'"),
        ("requests", "ts", "using '0001-01-01'"),
        ("requests", "ts", "using '9999-12-31 23:59:59'"),
    ],
)
def test_no_remedy_is_told_that_loses_or_changes_values(
    project: Project, table: str, column: str, damage: str
) -> None:
    project.damage(table, f"alter table t alter {column} type varchar {damage}")
    (problem,) = (line for line in project.problems() if "earlier day" not in line)
    assert "such as '" in problem
    assert " → deliver it as " in problem


def test_a_time_that_is_null_in_every_row_is_read_by_a_cast(project: Project) -> None:
    project.damage("requests", "alter table t alter ts type varchar using null")
    (problem,) = (line for line in project.problems() if "earlier day" not in line)
    assert "select * replace (cast(ts as TIMESTAMP) as ts)" in problem


def test_files_of_a_day_may_have_types_that_are_read_alike(project: Project) -> None:
    first = project.file("candidates")
    whole = first.read_bytes()
    project.damage("candidates", "delete from t where request_id % 2 = 0", "alter table t drop hidden",
                   "alter table t alter ctr type double")  # fmt: skip
    part = first.read_bytes()
    first.write_bytes(whole)
    project.damage("candidates", "delete from t where request_id % 2 = 1")
    first.with_name("part-1.parquet").write_bytes(part)
    assert project.problems() == []


def test_earlier_days_that_differ_or_cannot_be_read_are_named_once(project: Project) -> None:
    for number in (5, 9):
        project.damage("ads", "alter table t drop price", day=date(2026, 1, number))
    project.damage("ads", "alter table t drop price", day=date(2026, 1, 2))  # before the window
    project.file("candidates", date(2026, 1, 6)).write_text("no parquet")
    project.file("requests", date(2026, 1, 7)).unlink()
    requests, ads, candidates = project.problems()
    assert requests.startswith("requests (1 earlier day, 2026-01-07 first): ")
    assert "*.parquet does not exist" in requests
    assert ads.startswith(
        "ads.price (2 earlier days, 2026-01-05 first): missing; must be FLOAT → select it as price"
    )
    assert candidates.startswith("candidates (1 earlier day, 2026-01-06 first): ")
    assert "part-0.parquet can't be read" in candidates
