"""Finding the three tables, and the day in their paths."""

from datetime import date
from pathlib import Path

import pytest

from mtmd.errors import LogsError
from mtmd.extras.proposal.places import find_places
from mtmd.logs.contract import TABLES
from mtmd.logs.places import DayTemplate

DAY = date(2026, 1, 5)


def _write(folder: Path, *paths: str) -> Path:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    return folder


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("requests/date=2026-01-05/part-0.parquet", "requests/date={day}/*.parquet"),
        ("requests/2026-01-05.parquet", "requests/{day}.parquet"),
        ("requests/dt=20260105/a.parquet", "requests/dt={day:%Y%m%d}/*.parquet"),
        ("requests/date=2026-01-05/hour=07/a.parquet", "requests/date={day}/hour=*/*.parquet"),
        ("2026-01-05/requests/a.parquet", "{day}/requests/*.parquet"),
        ("2026-01-05/requests.parquet", "{day}/requests.parquet"),
        ("logs/2026-01-05/queries-00.parquet", "logs/{day}/queries-*.parquet"),
        ("requests/2026_01_05/a.parquet", "requests/{day:%Y_%m_%d}/*.parquet"),
        ("requests/2026/01/05/a.parquet", "requests/{day:%Y}/{day:%m}/{day:%d}/*.parquet"),
        ("requests/2026-01-05-00.parquet", "requests/{day}*.parquet"),
        ("ad_queries/2026-01-05.parquet", "ad_queries/{day}.parquet"),
    ],
)
def test_the_day_in_a_path_becomes_the_templates(tmp_path: Path, path: str, template: str) -> None:
    others = ("ads/date=2026-01-05/a.parquet", "candidates/date=2026-01-05/a.parquet")
    found = find_places(_write(tmp_path, path, *others))
    place = found["requests"]
    assert place.template == template
    assert place.days == {DAY: [tmp_path / path]}
    assert DayTemplate(tmp_path, template).files("requests", DAY) == [tmp_path / path]
    assert found["ads"].is_usual
    assert place.is_usual is (template == "requests/date={day}/*.parquet")


def test_days_of_one_and_of_two_digits_are_of_one_template(tmp_path: Path) -> None:
    days = [date(2026, 9, 29), date(2026, 10, 5), date(2026, 10, 12)]
    paths = {day: f"year={day.year}/month={day.month}/day={day.day}/part-0.parquet" for day in days}
    _write(tmp_path, *(f"{table}/{path}" for table in TABLES for path in paths.values()))
    place = find_places(tmp_path)["ads"]
    assert place.template == "ads/year={day:%Y}/month={day:%-m}/day={day:%-d}/*.parquet"
    assert place.days == {day: [tmp_path / "ads" / path] for day, path in paths.items()}


@pytest.mark.parametrize("pattern", ["2026-01-05/{}.parquet", "{}/date=2026-01-05/part-0.parquet"])
def test_a_report_beside_the_tables_and_what_is_hidden_are_left_alone(pattern: str, tmp_path: Path) -> None:
    paths = [pattern.format(table) for table in TABLES]
    others = ["2026-01-05/ads_report.parquet", ".spool/candidates/2026-01-05/0123/part-0.parquet"]
    places = find_places(_write(tmp_path, *paths, *others))
    assert [place.days for place in places.values()] == [{DAY: [tmp_path / path]} for path in paths]


def test_files_without_a_day_are_not_taken(tmp_path: Path) -> None:
    _write(tmp_path, "requests/users.parquet", "requests/2026-02-31.parquet", "requests/readme.txt")
    with pytest.raises(LogsError, match=r"has 2 \.parquet files, and no path of them has a day"):
        find_places(tmp_path)


def test_two_places_that_could_be_one_table_are_named(tmp_path: Path) -> None:
    _write(tmp_path, *(f"{name}/2026-01-05.parquet" for name in ("events_a", "events_b", "requests", "ads")))
    with pytest.raises(LogsError, match=r"events_a.*events_b.*which of them is candidates can't be told"):
        find_places(tmp_path)
