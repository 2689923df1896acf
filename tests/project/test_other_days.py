"""Earlier days of the window need the columns of the newest one."""

from datetime import date

from mtmd.project.findings import Part
from tests.project.conftest import Project


def test_days_with_other_columns_are_counted_once(project: Project) -> None:
    for number in (5, 9):
        project.damage("ads", "alter table t drop price", day=date(2026, 1, number))
    (problem,) = project.problems(Part.COLUMNS)
    assert problem.startswith("ads: 2 earlier days, 2026-01-05 first: lacks price FLOAT → deliver them again")


def test_days_that_cannot_be_read_are_named(project: Project) -> None:
    project.file("ads", date(2026, 1, 6)).write_text("no parquet")
    project.file("requests", date(2026, 1, 7)).unlink()
    requests, ads = project.problems(Part.COLUMNS)
    assert requests.startswith("requests: 1 earlier day, 2026-01-07 first: ")
    assert "has no .parquet file" in requests
    assert ads.startswith("ads: 1 earlier day, 2026-01-06 first: part-0.parquet can't be read: ")


def test_days_before_the_window_do_not_matter(project: Project) -> None:
    project.damage("ads", "alter table t drop price", day=date(2026, 1, 2))
    assert project.problems() == []
