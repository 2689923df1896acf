"""A statement that does not run is shown with its file and line, and what can be checked beside it still is."""

import pytest

from mtmd.project.findings import Part
from tests.project.conftest import Project

READ = "from read_parquet($paths, hive_partitioning = false)\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"select *,\n    prize as cost\n{READ}", 'source_ads.sql:2: Binder Error: Referenced column "prize"'),
        (f"select * replace (cast(format as integer) as format)\n{READ}",
         "source_ads.sql:1: Conversion Error: Could not convert string"),
    ],
)  # fmt: skip
def test_an_error_has_its_file_and_line(project: Project, text: str, line: str) -> None:
    project.statement("ads", text)
    (problem,) = project.problems(Part.STATEMENTS)
    assert problem.startswith(line)
    assert "\n" not in problem


def test_a_semicolon_at_the_end_is_no_fault(project: Project) -> None:
    project.statement("ads", f"-- ads;\nselect *\n{READ[:-1]};\n-- the end;\n")
    assert project.problems() == []


def test_a_second_statement_is_named_by_its_line(project: Project) -> None:
    project.statement("ads", f"select *\n{READ[:-1]};\n\nselect 1;\n")
    (problem,) = project.problems()
    assert problem.endswith(
        "source_ads.sql, line 4: a second statement begins here → a table has one statement: remove the second"
    )


def test_a_statement_that_reads_other_things_than_the_days_files_is_named(project: Project) -> None:
    project.statement("ads", "select 1 as ad_id -- $paths\n")
    (problem,) = project.problems(Part.STATEMENTS)
    assert problem.endswith(
        "/source_ads.sql does not read $paths, the day's files, by whose content shards are named → read from them: "
        "read_parquet($paths)"
    )


def test_a_statement_may_ask_for_the_day(project: Project) -> None:
    project.statement("requests", f"select *\n{READ[:-1]}\nwhere cast(ts as date) = $day\n")
    assert project.problems() == []


def test_the_remedy_lists_the_columns_of_the_files(project: Project) -> None:
    project.statement("candidates", f"select nothing {READ}")
    (problem,) = project.problems(Part.STATEMENTS)
    assert " of candidates has request_id BIGINT, ad_id BIGINT, ctr FLOAT, " in problem


def test_all_three_are_asked_and_the_rows_are_read_as_they_are(project: Project) -> None:
    for table in ("requests", "ads", "candidates"):
        project.statement(table, f"select wrong {READ}")
    project.damage("ads", "update t set product = 'shoes' where product = 'shopping'")
    assert len(project.problems(Part.STATEMENTS)) == 3
    assert project.problems(Part.COLUMNS) == []
    assert [line.split(":")[0] for line in project.problems(Part.ROWS)] == ["ads.product", "ads.product"]
    assert project.facts(Part.FEATURES) == []


def test_a_statement_that_is_not_there_is_named(project: Project) -> None:
    (project.root / "sql" / "source_ads.sql").unlink()
    (problem,) = project.problems(Part.STATEMENTS)
    assert problem.startswith("source_ads.sql: ")
    assert "source_ads.sql does not exist → the preset's `sql`" in problem


def test_a_packaged_statement_is_named_without_a_folder(project: Project) -> None:
    project.say(preset='base = "tiny"\nname = "mine"\n')
    assert project.check().passed


def test_a_file_that_is_no_parquet_is_named(project: Project) -> None:
    project.file("ads").write_text("ad_id\n1\n")
    (problem,) = project.problems(Part.STATEMENTS)
    assert "parquet: not readable Parquet: " in problem
    assert problem.endswith(" → write the file again")
    assert project.problems() == [problem]  # without ads nothing can be joined


def test_a_lack_of_memory_is_no_fault_of_a_statement(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTMD_DUCKDB_MEMORY", "1MB")
    (problem,) = project.problems()
    assert "Out of Memory Error: " in problem
    assert (
        "→ let DuckDB have more memory (MTMD_DUCKDB_MEMORY in the environment), or write files of" in problem
    )
