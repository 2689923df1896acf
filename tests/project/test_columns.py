"""Columns that are not as declared, each with the SQL that mends it: the SQL is run."""

import time

import duckdb
import pytest

from mtmd.config.preset_files import preset_path
from mtmd.project.columns import difference
from mtmd.project.findings import Part
from tests.project.conftest import AS_OF, Project

READ = "\nfrom read_parquet($paths, hive_partitioning = false)\n"
WRONG = {
    "requests": (
        "alter table t alter user_id type varchar using 'u' || user_id",
        "alter table t alter hour type varchar using 'h' || hour",
        "alter table t rename weekday to week_day",
        "alter table t alter week_day type bigint",
        "alter table t alter country type integer using 1",
    ),
    "ads": (
        "alter table t alter price type double",
        "alter table t alter bid type varchar",
        "alter table t alter ad_vector type double[]",
        "alter table t drop discount",
        "alter table t rename advertiser_id to advertiser",
        "alter table t add column colour varchar",
        "alter table t add column shade varchar",
    ),
    "candidates": (
        "alter table t alter ctr type double",
        "alter table t drop hidden",
        "alter table t drop gctr",
    ),
}
PROBLEMS = {
    "requests.weekday": "missing; there is a column week_day BIGINT → if that is it: "
    "select * exclude (week_day), cast(week_day as integer) as weekday",
    "requests.user_id": "VARCHAR; BIGINT is declared, and 80 values can't be cast → "
    'set user = "VARCHAR" in [ids] of the preset, and type = "VARCHAR" of the feature',
    "requests.hour": "VARCHAR; INTEGER is declared, and 80 values can't be cast → "
    'select * replace (try_cast(hour as integer) as hour); or set type = "VARCHAR" of the feature in the preset',
    "requests.country": "INTEGER; VARCHAR is declared → select * replace (cast(country as varchar) as country)"
    '; or set type = "INTEGER" of the feature in the preset',
    "ads.bid": "VARCHAR; FLOAT is declared → select * replace (cast(bid as float) as bid)",
    "ads.discount": "missing; FLOAT is declared → select it; where it is not known: "
    "cast(null as float) as discount; or take the feature out of the preset",
    "ads.advertiser_id": "missing; there is a column advertiser BIGINT → if that is it: "
    "select * exclude (advertiser), advertiser as advertiser_id",
    "ads": "undeclared: colour VARCHAR, shade VARCHAR → select * exclude (colour, shade); or declare it as a "
    "feature or a label in the preset",
    "candidates.gctr": "missing; FLOAT is declared → select it as gctr: null in all rows does not do",
}
# What is read with a cast (price, ad_vector, ctr) and what no task needs (hidden) is not reported.
MENDED = {
    "requests": "select * exclude (week_day) replace (cast(hash(user_id) >> 1 as bigint) as user_id, "
    "try_cast(hour as integer) as hour, cast(country as varchar) as country), cast(week_day as integer) as weekday",
    "ads": "select * exclude (colour, shade, advertiser) replace (cast(price as float) as price, "
    "cast(bid as float) as bid, cast(ad_vector as float[]) as ad_vector), advertiser as advertiser_id, "
    "cast(null as float) as discount",
    "candidates": "select * replace (cast(ctr as float) as ctr), cast(ctr / 2 as float) as gctr, "
    "cast(null as boolean) as hidden",
}


def test_each_column_is_named_with_the_sql_that_mends_it(project: Project) -> None:
    for table, statements in WRONG.items():
        project.damage(table, *statements)
    lines = [line for line in project.problems(Part.COLUMNS) if "earlier days" not in line]
    assert dict(line.split(": ", 1) for line in lines) == PROBLEMS
    for table, sql in MENDED.items():
        project.statement(table, sql + READ)
    mended = project.problems(Part.COLUMNS)
    assert [line for line in mended if f"{AS_OF}" in line or "earlier days" not in line] == []


def test_nothing_else_is_said_of_what_is_missing_or_cannot_be_cast(project: Project) -> None:
    project.damage("candidates", "alter table t drop clicked", "alter table t drop position")
    project.damage("ads", "alter table t drop ad_vector", "alter table t drop product")
    project.damage(
        "requests", "alter table t alter hour type varchar using 'h'", "alter table t drop user_vector"
    )
    assert [*project.problems(Part.ROWS), *project.hints()] == []


def test_files_of_a_day_need_the_same_columns(project: Project) -> None:
    first = project.file("ads")
    whole = first.read_bytes()
    project.damage("ads", "alter table t alter topic type varchar")
    first.with_name("part-1.parquet").write_bytes(whole)
    first.with_name("part-2.parquet").write_bytes(first.read_bytes())
    assert sum("other columns" in line for line in project.problems(Part.COLUMNS)) == 1
    assert (
        "ads: part-1.parquet has other columns than part-0.parquet: lacks topic VARCHAR, has topic INTEGER → "
        "each file of a day needs the same columns: write it again"
    ) in project.problems(Part.COLUMNS)


def test_files_of_different_types_are_read_as_a_run_reads_them(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    others = {
        "requests": ("alter table t alter ts type timestamptz using make_timestamptz(epoch_us(ts))",),
        "ads": ("alter table t alter bid type integer using 1",),
        "candidates": ("alter table t drop hidden", "alter table t alter ctr type double"),
    }
    for table, changes in others.items():
        first = project.file(table)
        whole = first.read_bytes()
        key = "ad_id" if table == "ads" else "request_id"
        project.damage(table, f"delete from t where {key} % 2 = 0")
        part = first.read_bytes()
        first.write_bytes(whole)
        project.damage(table, f"delete from t where {key} % 2 = 1", *changes)
        # The file that could hold the others' values comes last.
        first.rename(first.with_name("part-1.parquet" if table == "ads" else "part-2.parquet"))
        first.with_name("part-2.parquet" if table == "ads" else "part-1.parquet").write_bytes(part)
    assert project.problems() == []
    assert not any("ads.bid" in hint for hint in project.hints())
    assert any(
        fact.startswith("ads.bid: ") and "1 distinct" not in fact for fact in project.facts(Part.FEATURES)
    )


def test_values_that_one_file_has_in_another_type_are_not_judged_as_missing(project: Project) -> None:
    first = project.file("candidates")
    whole = first.read_bytes()
    project.damage(
        "candidates",
        "delete from t where request_id % 2 = 0",
        "alter table t alter position type varchar using 'first'",
    )
    part = first.read_bytes()
    first.write_bytes(whole)
    project.damage("candidates", "delete from t where request_id % 2 = 1")
    first.with_name("part-2.parquet").write_bytes(part)
    assert any("position: VARCHAR; INTEGER is declared" in line for line in project.problems())
    assert not any("position_is_a_rank" in line for line in project.problems())


TEXT_IDS = """
[ids]
request = "VARCHAR"
ad = "UUID"
"""


def test_text_that_is_no_id_is_shown_with_the_rule(project: Project) -> None:
    project.damage(
        "requests",
        "alter table t alter request_id type varchar",
        "update t set request_id = '' where request_id like '%0'",
        "update t set request_id = 'a' || chr(0) where request_id like '%1'",
        "update t set request_id = repeat('x', 129) where request_id like '%2'",
    )
    project.damage("candidates", "alter table t alter request_id type varchar")
    uuid = "lpad(cast(ad_id as varchar), 32, '0')"
    project.damage(
        "ads",
        f"alter table t alter ad_id type varchar using {uuid}",
        "update t set ad_id = 'none' where true",
    )
    project.damage("candidates", f"alter table t alter ad_id type uuid using cast({uuid} as uuid)")
    project.say(TEXT_IDS, *_features_with("ad_id", "UUID"))
    lines = [line for line in project.problems(Part.COLUMNS) if "earlier days" not in line]
    assert lines == [
        "requests.request_id: 24 values can't be read as VARCHAR, such as '', 'a\\\\0', "
        f"'{'x' * 40}'; each must have 1 to 128 characters and no NUL → correct the logs, or source_requests.sql",
        "ads.ad_id: 150 values can't be read as UUID, such as 'none'; each must be a UUID such as "
        '6f1c2a9e-0b7d-4c58-9a43-d2e85b7f1c06 → correct the logs, or source_ads.sql; or set ad = "VARCHAR" in [ids] '
        "of the preset",
    ]
    assert project.problems(Part.ROWS) == []


def test_empty_text_of_unknown_users_has_the_sql_that_mends_it(project: Project) -> None:
    project.damage(
        "requests",
        "alter table t alter user_id type varchar",
        "update t set user_id = '' where user_id like '%1'",
    )
    project.say('[ids]\nuser = "VARCHAR"\n', *_features_with("user_id", "VARCHAR"))
    (line,) = (line for line in project.problems(Part.COLUMNS) if "earlier days" not in line)
    assert line.endswith("where the user is not known: select * replace (nullif(user_id, '') as user_id)")
    project.statement("requests", f"select * replace (nullif(user_id, '') as user_id){READ}")
    assert [line for line in project.problems(Part.COLUMNS) if "earlier days" not in line] == []


def test_ids_of_another_type_are_declared_or_cast(project: Project) -> None:
    project.damage(
        "requests", "alter table t alter request_id type varchar", "alter table t rename user_id to uid"
    )
    project.damage("requests", "alter table t alter uid type varchar using 'u' || uid")
    project.damage("candidates", "alter table t alter ad_id type uuid using uuid()")
    lines = [line for line in project.problems(Part.COLUMNS) if "earlier days" not in line]
    assert lines == [
        "requests.user_id: missing; there is a column uid VARCHAR → if that is it: select * exclude (uid), uid as "
        'user_id; and set user = "VARCHAR" in [ids] of the preset, and type = "VARCHAR" of the feature',
        "requests.request_id: VARCHAR; BIGINT is declared → select * replace (cast(request_id as bigint) as "
        'request_id); or set request = "VARCHAR" in [ids] of the preset',
        "candidates.ad_id: UUID; BIGINT is declared, and 597 values can't be cast → "
        'set ad = "UUID" in [ids] of the preset',
    ]


KEPT = [  # the type that a column gets, how, what is said of it, the SQL that is proposed, and what it must give
    (
        "country",
        "blob",
        "encode('ü' || country)",
        "BLOB; VARCHAR is declared",
        "decode(country)",
        "'ü' || country",
    ),
    (
        "country",
        "double",
        "hour",
        "DOUBLE; VARCHAR is declared",
        "regexp_replace(cast(country as varchar), '\\.0$', '')",
        "cast(hour as varchar)",
    ),
    (
        "ts",
        "bigint",
        "epoch_us(ts)",
        "BIGINT; TIMESTAMP is declared, and 80 values can't be cast",
        "make_timestamp(ts)",
        "ts",
    ),
    (
        "ts",
        "decimal(18,3)",
        "epoch_us(date_trunc('second', ts)) / 1000000",
        "DECIMAL(18,3); TIMESTAMP is declared, and 80 values can't be cast",
        "make_timestamp(cast(cast(ts as double) * 1000000 as bigint))",
        "date_trunc('second', ts)",
    ),
    (
        "ts",
        "ubigint",
        "epoch_us(ts)",
        "UBIGINT; TIMESTAMP is declared, and 80 values can't be cast",
        "make_timestamp(cast(ts as bigint))",
        "ts",
    ),
    (
        "request_id",
        "ubigint",
        "18446744073709551615 - request_id",
        "UBIGINT; BIGINT is declared, and 80 values can't be cast",
        "cast(request_id as varchar)",
        "cast(18446744073709551615 - request_id as varchar)",
    ),
]
OTHERWISE = {
    ("ts", "bigint"): " where it counts microseconds, make_timestamp_ms(ts) milliseconds",
    ("ts", "ubigint"): " where it counts microseconds, make_timestamp_ms(cast(ts as bigint)) milliseconds",
    ("ts", "decimal(18,3)"): " where it counts seconds",
    ("request_id", "ubigint"): '; and set request = "VARCHAR" in [ids] of the preset',
}


@pytest.mark.parametrize(("column", "kind", "using", "said", "sql", "wanted"), KEPT)
def test_the_sql_that_is_proposed_keeps_each_value(
    project: Project, column: str, kind: str, using: str, said: str, sql: str, wanted: str
) -> None:
    paths = {"paths": [str(project.file("requests"))]}
    before = duckdb.execute(f"select {wanted}{READ}order by all", paths).fetchall()
    project.damage("requests", f"alter table t alter {column} type {kind} using {using}")
    (line,) = [line for line in project.problems(Part.COLUMNS) if "earlier days" not in line]
    remedy = f"select * replace ({sql} as {column}){OTHERWISE.get((column, kind), '')}"
    assert line == f"requests.{column}: {said} → {remedy}"
    assert duckdb.execute(f"select {sql}{READ}order by all", paths).fetchall() == before


def test_names_that_need_quotes_have_them(project: Project) -> None:
    project.damage(
        "ads",
        'alter table t add column "the ""group""" varchar',
        'alter table t add column "order" varchar',
        'alter table t rename topic to "Topic 1"',
    )
    lines = [line for line in project.problems(Part.COLUMNS) if "earlier days" not in line]
    assert lines == [
        'ads.topic: missing; there is a column Topic 1 INTEGER → if that is it: select * exclude ("Topic 1"), '
        '"Topic 1" as topic',
        'ads: undeclared: the "group" VARCHAR, order VARCHAR → select * exclude ("the ""group""", "order"); or '
        "declare it as a feature or a label in the preset",
    ]


def test_a_time_in_text_is_read_in_its_zone(project: Project) -> None:
    early = "ts - interval 2 hours"
    project.damage(
        "requests", f"alter table t alter ts type varchar using cast({early} as varchar) || '-02:00'"
    )
    assert project.problems(Part.ROWS) == []


def _features_with(column: str, kind: str) -> list[str]:
    """The tiny preset's features, one of them of another type."""
    _, *features = preset_path("tiny").read_text(encoding="utf-8").split("[[features]]")
    mine = [
        text.replace('type = "BIGINT"', f'type = "{kind}"') if f'"{column}"' in text else text
        for text in features
    ]
    return [f"[[features]]{text}" for text in mine]


def test_a_difference_is_what_one_lacks_and_what_it_has() -> None:
    assert difference({"a": "INTEGER", "b": "FLOAT"}, {"b": "DOUBLE", "c": "FLOAT"}) == (
        "lacks a INTEGER, lacks b FLOAT, has b DOUBLE, has c FLOAT"
    )
    assert difference({"a": "INTEGER"}, {"a": "INTEGER"}) == ""


def test_values_that_a_declared_type_cannot_hold_are_found_before_a_run_stops_at_them(
    project: Project,
) -> None:
    project.damage(
        "ads",
        "alter table t alter price type double",
        "update t set price = 1e60 where product = 'shopping'",
        "alter table t alter discount type bigint using 16777217 + ad_id % 2",
        "alter table t alter ad_vector type double[]",
        "update t set ad_vector = list_transform(ad_vector, lambda x: 1e60) where ad_id % 3 = 0",
    )
    found = project.problems(Part.COLUMNS)
    assert [line for line in found if line.startswith("ads.price")] == [
        "ads.price: 69 values of DOUBLE that FLOAT can't hold → "
        'set type = "DOUBLE" of the feature in the preset, or cast the column yourself in source_ads.sql'
    ]
    assert [line for line in found if line.startswith("ads.discount")] == [
        "ads.discount: 150 values of BIGINT that FLOAT can't hold → "
        'set type = "BIGINT" of the feature in the preset, or cast the column yourself in source_ads.sql'
    ]
    assert [line for line in found if line.startswith("ads.ad_vector")] == [
        "ads.ad_vector: 48 values of DOUBLE[] that FLOAT[] can't hold → cast the column yourself in source_ads.sql"
    ]


def test_times_with_a_zone_are_read_in_utc_wherever_the_check_runs(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.damage(
        "requests",
        "set timezone = 'UTC'",
        "alter table t alter ts type timestamptz",
    )
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert project.problems() == []
    finally:
        monkeypatch.undo()
        time.tzset()


def test_columns_that_are_not_there_are_not_counted(project: Project) -> None:
    before = project.facts(Part.COLUMNS)[-1]
    assert before == "candidates: 12 columns, as declared"  # explored is none of them
    project.damage("candidates", "alter table t drop hidden", "alter table t drop repinned")
    assert project.facts(Part.COLUMNS)[-1] == "candidates: 10 columns, as declared"
