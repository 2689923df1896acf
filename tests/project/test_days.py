"""Days that are missing: in the window, between others, of one table or of all."""

import shutil
from datetime import date

import pytest

from mtmd.config import load_preset
from mtmd.logs.source import LogSource
from mtmd.project.check import check_days
from mtmd.project.findings import Level
from tests.project.conftest import Project, said


def found(project: Project, level: Level, as_of: date | None = None) -> list[str]:
    findings = check_days(
        preset := load_preset(str(project.preset)), LogSource.of(preset, str(project.logs)), as_of
    ).findings
    return [said(finding) for finding in findings if finding.level is level]


def problems(project: Project, as_of: date | None = None) -> list[str]:
    return found(project, Level.ERROR, as_of)


def gone(project: Project, table: str, *days: int) -> None:
    for day in days:
        shutil.rmtree(project.logs / table / f"date=2026-01-{day:02}")


def test_days_of_each_table_and_of_the_run_are_said(project: Project) -> None:
    assert found(project, Level.FACT) == [
        *(f"{table}: 23 days, 2026-01-01 to 2026-01-23" for table in ("requests", "ads", "candidates")),
        "window: 2026-01-23 is held out, 20 training days from 2026-01-03 on",
    ]


def test_missing_days_stop_a_run(project: Project) -> None:
    project.say("[left_out]", '2026-01-12 = "lost"')
    gone(project, "ads", 2, 9, 10, 12)
    assert problems(project) == [
        "ads: lacks 2 of the 20 days to 2026-01-23: 2026-01-09, 2026-01-10 → deliver them, say another "
        "--as-of, name them in [left_out], or shorten the window"
    ]


def test_the_newest_day_that_all_tables_have_is_taken_and_one_that_is_asked_for_must_be_there(
    project: Project,
) -> None:
    gone(project, "candidates", 23)
    assert any("2026-01-22 is held out" in fact for fact in found(project, Level.FACT))
    (problem,) = problems(project, date(2026, 1, 23))
    assert problem.startswith("candidates: lacks 1 of the 21 days to 2026-01-23: 2026-01-23 → ")


def test_a_folder_without_files_is_no_day(project: Project) -> None:
    project.file("ads").unlink()
    (problem,) = problems(project)
    assert "date=2026-01-23/*.parquet does not exist → write the day's files there" in problem


@pytest.mark.parametrize(
    ("left_out", "problem"),
    [
        (["2026-01-23"], "left_out: as_of 2026-01-23 is left out by preset 'mine' (lost) → choose another day"),
        ([f"2026-01-{day:02}" for day in range(10, 16)],
         "left_out: 6 of the 20 days before 2026-01-23 are left out by preset 'mine'; at most a quarter may be → "),
    ],
)  # fmt: skip
def test_too_much_may_not_be_left_out(project: Project, left_out: list[str], problem: str) -> None:
    project.say("[left_out]", *(f'{day} = "lost"' for day in left_out))
    (line,) = problems(project)
    assert line.startswith(problem)


def test_tables_without_a_day_in_common_are_named(project: Project) -> None:
    gone(project, "ads", *range(1, 23))
    gone(project, "requests", 23)
    assert problems(project) == ["logs: no day that all tables have → deliver a day's three tables"]


def test_a_table_without_days_and_a_date_that_is_none_are_named(project: Project) -> None:
    gone(project, "ads", *range(1, 24))
    (problem,) = problems(project)
    assert problem.startswith(
        f"ads: no day in {project.logs}/ads/date={{day}}/*.parquet → write the logs there, or "
    )
    (project.logs / "ads" / "date=2026-02-30").mkdir()
    (problem,) = problems(project)
    assert "date=2026-02-30 is named after no day of the calendar" in problem
