"""The engine of a check reaches nothing outside."""

import pytest

from mtmd.project.engine import Connection, EngineError, rows
from mtmd.project.findings import Part
from tests.project.conftest import Project


def test_rows_are_dictionaries(connection: Connection) -> None:
    assert rows(connection, "select 1 as a, $b as b", {"b": "x"}) == [{"a": 1, "b": "x"}]


@pytest.mark.parametrize(
    "sql",
    [
        "select content as ad_id from read_text('/etc/passwd')",
        "select * from read_csv('/etc/passwd')",
        "select * from read_parquet('http://127.0.0.1:9/x.parquet')",
        "select * from read_parquet('s3://bucket/x.parquet')",
    ],
)
def test_a_statement_reads_no_file_beside_the_logs_and_no_network(project: Project, sql: str) -> None:
    project.statement("ads", f"-- instead of $paths\n{sql}\nwhere len($paths) > 0\n")
    (problem,) = project.problems(Part.STATEMENTS)
    assert problem.startswith("source_ads.sql")
    assert "disabled by configuration" in problem


@pytest.mark.parametrize("sql", ["install httpfs", "load httpfs", "set enable_external_access = true"])
def test_no_extension_is_loaded_and_no_setting_changed(connection: Connection, sql: str) -> None:
    with pytest.raises(EngineError, match=r"disabled|locked|Cannot"):
        rows(connection, sql)


def test_a_statement_may_read_what_lies_beside_it(project: Project) -> None:
    beside = project.root / "sql" / "formats.csv"
    beside.write_text("known\nvideo\n")
    project.statement(
        "ads",
        "select *\nfrom read_parquet($paths, hive_partitioning = false)\n"
        f"where (select count(*) from read_csv('{beside}')) > 0\n",
    )
    assert project.problems() == []
