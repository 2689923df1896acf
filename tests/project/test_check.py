"""A whole check: nothing is wrong with the shipped preset, and one run finds the mistakes of a wrong project."""

import io
import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from rich.console import Console

from mtmd.cli import main
from mtmd.errors import ConfigError
from mtmd.project.check import check_project
from mtmd.project.findings import Level, Part, ProjectCheck, error, fact, show, warning
from tests.project.conftest import Project

READ = "from read_parquet($paths, hive_partitioning = false)\n"


def test_nothing_is_wrong_with_the_tiny_preset(tiny_logs: Path) -> None:
    checked = check_project("tiny", logs=str(tiny_logs))
    assert [f for f in checked.findings if f.level is not Level.FACT] == []
    assert checked.passed
    assert {finding.part for finding in checked.findings} == set(Part) - {Part.PRESET}


def test_of_a_wrong_preset_the_logs_are_not_read(project: Project) -> None:
    project.say("[training]", "epoch = 3")
    project.file("ads").write_text("no parquet")
    assert project.problems() == ["preset.toml: training.epoch: no such key → write epochs, if that is meant"]


def test_one_run_finds_the_mistakes_of_all_tables_and_days(project: Project) -> None:
    project.statement(
        "requests", "select request_id, ts, surface, user_id as uid, country, query_vector\n" + READ
    )
    project.damage("ads", "alter table t alter bid type varchar", "alter table t add column colour varchar")
    project.damage("candidates", "alter table t drop gctr", day=date(2026, 1, 12))
    project.file("ads", date(2026, 1, 13)).unlink()
    (project.logs / "requests" / "date=2026-01-09").rename(project.root / "gone")
    lines = project.problems()
    for words in (
        "requests: lacks 1 of the 21 days to 2026-01-23: 2026-01-09",
        "requests.user_id: missing",
        "ads.bid: is VARCHAR; must be FLOAT",
        "ads.colour: not declared",
        "candidates: 1 earlier day, 2026-01-12 first: gctr: missing",
    ):
        assert any(line.startswith(words) for line in lines), words
    assert {finding.part for finding in project.check().findings} <= {Part.DAYS, Part.COLUMNS}


def test_the_day_is_chosen(project: Project) -> None:
    project.damage("candidates", "update t set ctr = 2 where true")
    assert not project.check().passed
    assert project.check(date(2026, 1, 22)).passed


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"preset 'dmeo' not found"):
        check_project("dmeo")
    checked = check_project("tiny", logs=str(tmp_path / "none"))
    assert [finding.text.split(" in ")[0] for finding in checked.findings] == ["no day"] * 3


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        (f"select *,\n    prize as cost\n{READ}", 'source_ads.sql, line 2 (prize as cost): Binder Error: Referenced'),
        (f"select *\n{READ[:-1]};\n\nselect 1;\n", "source_ads.sql, line 4: a second statement begins here"),
        ("select 1 as ad_id -- $paths\n", "source_ads.sql does not read $paths, the day's files"),
        ("select content as ad_id from read_text('/etc/passwd') where len($paths) > 0", "disabled by configuration"),
        ("select * from read_csv('/etc/passwd') where len($paths) > 0", "disabled by configuration"),
        ("from read_parquet('http://127.0.0.1:9/x.parquet') where len($paths) > 0", "disabled by configuration"),
        ("from read_parquet('s3://bucket/x.parquet') where len($paths) > 0", "disabled by configuration"),
        (f"select * replace (cast(format as integer) as format)\n{READ}", "ads.format: is INTEGER; must be VARCHAR"),
    ],
)  # fmt: skip
def test_a_statement_that_does_not_run_or_reaches_outside_is_named(
    project: Project, sql: str, words: str
) -> None:
    project.statement("ads", sql)
    (problem,) = project.problems(Part.COLUMNS)
    assert words in problem
    assert "\n" not in problem


@pytest.mark.parametrize("more", ["-- the end;\n", "where $day > date '2020-01-01'\n"])
def test_statements_that_are_sound(project: Project, more: str) -> None:
    project.statement("ads", f"-- ads;\nselect *\n{READ}{more}")
    assert project.problems() == []


def test_a_file_that_cannot_be_read_is_named(project: Project) -> None:
    project.file("ads").write_text("ad_id\n1\n")
    (problem,) = project.problems()
    assert "part-0.parquet can't be read" in problem
    assert problem.endswith("write the file again")


def test_a_lack_of_memory_is_no_fault_of_the_logs(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTMD_DUCKDB_MEMORY", "1MB")
    (problem,) = project.problems()
    assert "Out of Memory Error: " in problem
    assert "let DuckDB have more memory (MTMD_DUCKDB_MEMORY in the environment), or write files of" in problem


def test_the_command_prints_findings_and_ends_with_a_status(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["check", "--preset", str(project.preset), "--logs", str(project.logs)]
    assert main(command) == 0
    assert capsys.readouterr().out.endswith("0 problems, 0 hints\n")
    project.damage("candidates", "update t set ctr = 1 where ad_id % 3 = 0")
    assert main([*command, "--json"]) == 1
    checked = ProjectCheck.model_validate(json.loads(capsys.readouterr().out))
    assert checked.count(Level.ERROR) == 1
    assert main([*command, "--as-of", "2026-01-22"]) == 0


def test_findings_are_grouped_with_their_remedies_and_counted() -> None:
    findings = (
        error(Part.PRESET, "a.toml", "feature 'x' [bold]", "write y"),
        fact(Part.ROWS, "ads", "2 rows"),
        warning(Part.ROWS, "ads.bid", "constant", "take it out"),
    )
    written = io.StringIO()
    checked = ProjectCheck(preset="a", findings=findings)
    show(checked, Console(file=written, soft_wrap=True, highlight=False))
    assert written.getvalue().splitlines() == [
        "preset",
        "  problem a.toml: feature 'x' [bold]",
        "          → write y",
        "rows",
        "  ·       ads: 2 rows",
        "  hint    ads.bid: constant",
        "          → take it out",
        "1 problem, 1 hint",
    ]
    assert not checked.passed
    assert ProjectCheck(preset="a", findings=findings[1:]).passed


def test_a_check_waits_neither_for_torch_nor_for_great_expectations(tiny_logs: Path) -> None:
    code = (
        "import sys; from mtmd.cli import main; status = main(sys.argv[1:]);"
        "sys.exit(status or bool({'torch', 'prefect', 'great_expectations', 'onnx'} & set(sys.modules)))"
    )
    arguments = ["check", "--preset", "tiny", "--logs", str(tiny_logs)]
    done = subprocess.run([sys.executable, "-c", code, *arguments], check=False, capture_output=True)
    assert done.returncode == 0, done
