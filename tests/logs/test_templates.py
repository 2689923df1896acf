"""The files of a day by a template, the days that there are, and names that must not be taken for patterns."""

import os
from datetime import date
from pathlib import Path

import pytest

from mtmd.errors import LogsError
from mtmd.logs.templates import DayTemplate
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
        (
            "{day}/hour=*/part-*.parquet",
            ["2026-01-05/hour=00/part-0.parquet", "2026-01-05/hour=01/part-0.parquet"],
        ),
        ("{day:%Y}/{day}-*.parquet", ["2026/2026-01-05-a.parquet"]),
        ("{day:%d.%m.%Y}/whole/*.parquet", ["05.01.2026/whole/a.parquet"]),
    ],
)
def test_a_template_finds_the_days_files_and_the_day(tmp_path: Path, text: str, names: list[str]) -> None:
    touch(
        tmp_path, *names, "other/2026-01-06.parquet", "dt=x/a.parquet", "year=2026/month=x/day=05/a.parquet"
    )
    template = DayTemplate(tmp_path, text)
    assert template.files("ads", DAY) == [tmp_path / name for name in names]
    assert template.days() == {DAY}


def test_an_absolute_template_leaves_the_folder_out(tmp_path: Path) -> None:
    touch(tmp_path, "2026-01-05.parquet")
    template = DayTemplate(Path("/nowhere"), f"{tmp_path}/{{day}}.parquet")
    assert template.files("ads", DAY) == [tmp_path / "2026-01-05.parquet"]
    assert template.days() == {DAY}


def test_what_is_no_star_of_the_template_stands_for_itself(tmp_path: Path) -> None:
    folder = tmp_path / "logs[ab]?"
    touch(tmp_path, "logsaX/x[1]/2026-01-05/a.parquet", "logs[ab]?/x1/2026-01-05/b.parquet")
    touch(folder, "x[1]/2026-01-05/c[2]-c.parquet", "x[1]/2026-01-05/c2-d.parquet")
    template = DayTemplate(folder, "x[1]/{day}/c[2]-*.parquet")
    assert template.files("ads", DAY) == [folder / "x[1]/2026-01-05/c[2]-c.parquet"]
    assert template.days() == {DAY}


def test_parts_that_say_different_days_are_no_day(tmp_path: Path) -> None:
    touch(tmp_path, "2026/2025-01-05.parquet", "2026/2026-01-05.parquet")
    assert DayTemplate(tmp_path, "{day:%Y}/{day}.parquet").days() == {DAY}


def test_a_day_that_is_none_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "2026/02/30/a.parquet")
    with pytest.raises(
        LogsError, match=r"2026/02/30 is named after no day of the calendar; rename or remove it"
    ):
        DayTemplate(tmp_path, "{day:%Y}/{day:%m}/{day:%d}/*.parquet").days()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "{day}.parquet",
            "ads of 2026-01-05: {}/2026-01-05.parquet does not exist; write the day's files there",
        ),
        (
            "x/{day}/*.parquet",
            "ads of 2026-01-05: {}/x/2026-01-05 does not exist; write the day's files there",
        ),
        ("empty/{day}/*.parquet", "{}/empty/2026-01-05 has no .parquet file; write the day's files there"),
        ("empty/{day}/hour=*/*.csv", "{}/empty/2026-01-05 has no hour=*/*.csv file; write"),
        ("empty/{day}", "{}/empty/2026-01-05 is a folder; let the template end in /*.parquet"),
    ],
)
def test_a_day_without_files_is_told_by_its_place(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "empty" / "2026-01-05").mkdir(parents=True)
    with pytest.raises(LogsError) as caught:
        DayTemplate(tmp_path, text).files("ads", DAY)
    assert words.format(tmp_path) in str(caught.value)


def test_what_is_no_file_is_refused_whatever_its_name(tmp_path: Path) -> None:
    """A reader of a named pipe would wait for ever."""
    folder = tmp_path / "2026-01-05"
    folder.mkdir()
    for made, words in (
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.symlink_to(folder / "none"), "is a link to nothing"),
        (os.mkfifo, "is no regular file"),
    ):
        path = folder / "part-0.parquet"
        made(path)
        for text in ("{day}/*.parquet", "{day}/part-0.parquet") if path.exists() else ("{day}/*.parquet",):
            with pytest.raises(LogsError, match=r"part-0\.parquet is "):
                DayTemplate(tmp_path, text).files("ads", DAY)
        with pytest.raises(LogsError, match=words):
            DayTemplate(tmp_path, "{day}/*.parquet").files("ads", DAY)
        remove(path)


@pytest.mark.parametrize(("leads_to", "why"), [("hour=1", "Too many levels"), ("gone", "No such file")])
def test_a_folder_of_the_day_that_cannot_be_read_is_named(tmp_path: Path, leads_to: str, why: str) -> None:
    touch(tmp_path, "2026-01-05/hour=0/a.parquet", "2026-01-05/hour=notes")
    template = DayTemplate(tmp_path, "{day}/hour=*/*.parquet")
    assert len(template.files("ads", DAY)) == 1
    (unreadable := tmp_path / "2026-01-05/hour=1").symlink_to(leads_to)
    with pytest.raises(LogsError) as caught:
        template.files("ads", DAY)
    assert str(caught.value).startswith(f"ads of 2026-01-05: {unreadable} can't be read ({why}")


def test_a_folder_that_is_not_there_has_no_days(tmp_path: Path) -> None:
    assert DayTemplate(tmp_path / "x", "{day}.parquet").days() == set()
    assert DayTemplate(tmp_path, "x/{day}.parquet").days() == set()
