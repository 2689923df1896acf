"""Finding the files of a table, and the day in their paths."""

from datetime import date
from pathlib import Path

import pytest

from mtmd.errors import LogsError
from mtmd.extras.proposal.tables import find_places
from mtmd.logs.places import DayTemplate


def _write(folder: Path, *paths: str) -> Path:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    return folder


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("videos/date=2026-01-05/part-0.parquet", "videos/date={day}/*.parquet"),
        ("videos/2026-01-05.parquet", "videos/{day}.parquet"),
        ("videos/date=2026-01-05/hour=07/3f0c77.parquet", "videos/date={day}/hour=*/*.parquet"),
        ("2026-01-05/videos.parquet", "{day}/videos.parquet"),
        ("logs/2026-01-05/videos-00.parquet", "logs/{day}/videos-*.parquet"),
        ("videos/2026_01_05/a.parquet", "videos/{day:%Y_%m_%d}/*.parquet"),
        ("videos/year=2026/month=1/day=5/a.parquet", "videos/year={day:%Y}/month={day:%-m}/day={day:%-d}/*.parquet"),
        ("videos/2026-01-05-00.parquet", "videos/{day}*.parquet"),
    ],
)  # fmt: skip
def test_the_day_in_a_path_becomes_the_templates(tmp_path: Path, path: str, template: str) -> None:
    _write(tmp_path, path, ".spool/2026-01-05/a.parquet", "videos/2026-02-31.parquet", "users.parquet")
    (place,) = find_places(tmp_path)
    assert place.template == template
    assert place.days == {date(2026, 1, 5): [tmp_path / path]}
    assert DayTemplate(tmp_path, template).files("ads", date(2026, 1, 5)) == [tmp_path / path]


def test_files_without_a_day_are_not_taken(tmp_path: Path) -> None:
    _write(tmp_path, "requests/users.parquet", "requests/2026-02-31.parquet", "requests/readme.txt")
    with pytest.raises(LogsError, match=r"has 2 \.parquet files, and no path of them has a day"):
        find_places(tmp_path)
