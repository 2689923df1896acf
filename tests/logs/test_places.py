"""The files of a day by a template, the days that there are, and names that must not be taken for patterns."""

import os
from datetime import date
from pathlib import Path

import pytest

from mtmd.errors import LogsError
from mtmd.logs.places import DayTemplate
from mtmd.store.files import remove

DAY = date(2026, 1, 5)


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("requests/{day}.parquet", ["requests/2026-01-05.parquet"]),
        ("dt={day:%Y%m%d}/*.parquet", ["dt=20260105/a.parquet", "dt=20260105/b.parquet"]),
        ("year={day:%Y}/month={day:%m}/day={day:%d}/*.csv.gz", ["year=2026/month=01/day=05/a.csv.gz"]),
        ("year={day:%Y}/month={day:%-m}/day={day:%-d}/*.parquet", ["year=2026/month=1/day=5/a.parquet"]),
        ("{day}/hour=*/part-*.parquet", ["2026-01-05/hour=00/part-0.parquet", "2026-01-05/hour=01/part-0.parquet"]),
        ("{day:%Y}/{day}-*.parquet", ["2026/2026-01-05-a.parquet"]),
        ("{day:%d.%m.%Y}/whole/*.parquet", ["05.01.2026/whole/a.parquet"]),
    ],
)  # fmt: skip
def test_a_template_finds_the_days_files_and_the_day(tmp_path: Path, text: str, names: list[str]) -> None:
    touch(
        tmp_path, *names, "other/2026-01-06.parquet", "dt=x/a.parquet", "year=2026/month=x/day=05/a.parquet"
    )
    template = DayTemplate(tmp_path, text)
    assert template.files("ads", DAY) == [tmp_path / name for name in names]
    assert template.days() == {DAY}
    assert DayTemplate(Path("/nowhere"), f"{tmp_path}/{text}").days() == {DAY}  # absolute


def test_what_is_no_star_of_the_template_stands_for_itself(tmp_path: Path) -> None:
    folder = tmp_path / "logs[ab]?"
    touch(tmp_path, "logsaX/x[1]/2026-01-05/a.parquet", "logs[ab]?/x1/2026-01-05/b.parquet")
    touch(folder, "x[1]/2026-01-05/c[2]-c.parquet", "x[1]/2026-01-05/c2-d.parquet")
    template = DayTemplate(folder, "x[1]/{day}/c[2]-*.parquet")
    assert template.files("ads", DAY) == [folder / "x[1]/2026-01-05/c[2]-c.parquet"]
    assert template.days() == {DAY}


def test_days_are_those_of_the_calendar_on_which_all_parts_agree(tmp_path: Path) -> None:
    touch(tmp_path, "2026/2025-01-05.parquet", "2026/2026-01-05.parquet")
    assert DayTemplate(tmp_path, "{day:%Y}/{day}.parquet").days() == {DAY}
    assert DayTemplate(tmp_path / "none", "{day}.parquet").days() == set()
    assert DayTemplate(tmp_path, "none/{day}.parquet").days() == set()
    touch(tmp_path, "2026-02-30/a.parquet")
    with pytest.raises(
        LogsError, match="2026-02-30 is named after no day of the calendar; rename or remove it"
    ):
        DayTemplate(tmp_path, "{day}/*.parquet").days()


@pytest.mark.parametrize(
    "text", ["{day}.parquet", "x/{day}/*.parquet", "{day}/*.parquet", "{day}/hour=*/*.csv"]
)
def test_a_day_without_files_is_told_by_its_place(tmp_path: Path, text: str) -> None:
    (tmp_path / "2026-01-05").mkdir()
    with pytest.raises(LogsError) as caught:
        DayTemplate(tmp_path, text).files("ads", DAY)
    place = text.replace("{day}", "2026-01-05")
    assert str(caught.value).startswith(
        f"ads of 2026-01-05: {tmp_path}/{place} does not exist; write the day's"
    )


def test_what_is_no_file_is_refused_whatever_its_name(tmp_path: Path) -> None:
    """A reader of a named pipe would wait for ever."""
    path = tmp_path / "2026-01-05" / "part-0.parquet"
    path.parent.mkdir()
    for make in (Path.mkdir, lambda path: path.symlink_to(tmp_path / "none"), os.mkfifo):
        make(path)
        for text in ("{day}/*.parquet", "{day}/part-0.parquet"):
            with pytest.raises(LogsError, match=r"part-0\.parquet is no regular file; remove it"):
                DayTemplate(tmp_path, text).files("ads", DAY)
        remove(path)


@pytest.mark.parametrize(("leads_to", "why"), [("hour=1", "Too many levels"), ("gone", "No such file")])
def test_a_folder_of_the_day_that_cannot_be_read_is_named(tmp_path: Path, leads_to: str, why: str) -> None:
    touch(tmp_path, "2026-01-05/hour=0/a.parquet", "2026-01-05/hour=notes")
    template = DayTemplate(tmp_path, "{day}/hour=*/*.parquet")
    assert len(template.files("ads", DAY)) == 1
    (unreadable := tmp_path / "2026-01-05/hour=1").symlink_to(leads_to)
    with pytest.raises(LogsError) as caught:
        template.files("ads", DAY)
    assert str(caught.value).startswith(f"{unreadable} can't be read ({why}")
