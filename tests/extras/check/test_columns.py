"""Columns that are not as declared, each with the SQL or the setting that mends it: the SQL is run."""

from datetime import date

from tests.extras.check.conftest import Project

READ = "\nfrom read_parquet($paths, hive_partitioning = false)\n"


def remedies(project: Project) -> dict[str, str]:
    """What is said of columns, and what to do, for columns of the newest day."""
    lines = (line for line in project.problems() if "earlier day" not in line)
    return dict(line.split(": ", 1) for line in lines)


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
    declare = "or declare it as a feature or a label in the preset"
    assert remedies(project) == {
        "requests.weekday": "missing; must be INTEGER → select it as weekday; week_day may be it",
        "requests.week_day": f"not declared; is BIGINT → select * exclude (week_day); {declare}",
        "requests.country": "is INTEGER; must be VARCHAR → select it as country: cast(country as VARCHAR); "
        "or set its type in the preset to INTEGER",
        "requests.user_id": "is VARCHAR; must be BIGINT → select it as user_id: cast(user_id as BIGINT); "
        "or set its type in the preset to VARCHAR",
        "ads.bid": "is VARCHAR; must be FLOAT → select it as bid: cast(bid as FLOAT); "
        "or set its type in the preset to VARCHAR",
        "ads.discount": "missing; must be FLOAT → select it as discount",
        'ads.the "group"': f'not declared; is VARCHAR → select * exclude ("the ""group"""); {declare}',
        "candidates.gctr": "missing; must be FLOAT → select it as gctr",
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
