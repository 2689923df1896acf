"""What is known of a line: each file is read once, and what was removed stays listed."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

from mtmd.report.index import reading
from mtmd.report.index.days import days
from mtmd.report.index.reading import KnownRecords, LineRecords, read_line
from mtmd.report.index.render import summary
from mtmd.report.index.stage import write_line
from mtmd.store.files import remove, write_json, write_text
from tests.report.index.conftest import FIRST, Records, day


@contextmanager
def _parsed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The files that are read meanwhile."""
    names: list[str] = []

    def heard(read: Callable[[Path], object]) -> Callable[[Path], object]:
        def listening(path: Path) -> object:
            names.append(path.name)
            return read(path)

        return listening

    with monkeypatch.context() as patched:
        patched.setattr(
            reading, "SOURCES", {pattern: heard(read) for pattern, read in reading.SOURCES.items()}
        )
        yield names


def _days(line: LineRecords) -> list[date]:
    return [run.as_of for run in line.runs]


def test_the_newest_day_comes_first_and_of_a_day_the_latest_run(records: Records) -> None:
    records.run(1)
    records.run(0)
    second = records.decide("20260122-later", day(1), failed=("parity",))
    line = read_line(records.root)
    assert _days(line) == [day(1), day(1), FIRST]
    assert line.runs[0].run == second.name
    assert line.newest == day(1)
    assert line.champion is not None
    assert len(line.history) == 2
    assert len(line.pages) == 2


def test_only_new_and_changed_files_are_parsed(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    records.every_kind()
    with _parsed(monkeypatch) as names:
        write_line(records.root)
    assert len(names) == 11
    first = read_line(records.root)
    with _parsed(monkeypatch) as names:
        assert read_line(records.root) == first
    assert names == []
    records.monitor(9)
    records.run(10)
    with _parsed(monkeypatch) as names:
        line = read_line(records.root)
    assert names == ["summary.json", f"date={day(9)}.json"]
    assert (line.monitored[0].breaches, line.newest) == (0, day(10))


def test_what_the_clean_up_removed_stays_listed_for_400_days(records: Records) -> None:
    records.every_kind()
    write_line(records.root)
    for name in ("runs", "validation", "monitoring", "backfills", "evaluations", "failures"):
        remove(records.root / name)
    line = read_line(records.root)
    assert _days(line) == [day(3), day(2), day(1), FIRST]  # a failure is removed because its day was decided
    assert (len(line.monitored), len(line.backfills), len(line.ab_tests)) == (2, 1, 1)
    assert line.pages == frozenset()
    records.run(400)
    assert _days(read_line(records.root)) == [day(400), day(3), day(2), day(1)]
    records.run(404)
    assert _days(read_line(records.root)) == [day(404), day(400)]


def test_an_index_of_another_version_is_made_again(records: Records) -> None:
    records.run(0)
    write_line(records.root)
    write_json(records.root / "index.json", {"format": 2, "seen": [{"path": "x"}]})
    assert _days(read_line(records.root)) == [FIRST]
    write_line(records.root)
    KnownRecords.model_validate_json((records.root / "index.json").read_text())


def test_a_damaged_registry_is_said_and_hides_no_run(records: Records) -> None:
    """The pointer is taken from the history; where that is damaged too, nothing says what is live."""
    model = records.run(0)
    write_text(records.root / "champion.json", "{")
    line = read_line(records.root)
    assert _days(line) == [FIRST]
    assert line.champion is not None
    assert (line.champion.model_id, line.problem) == (model, "")
    write_text(records.root / "champion.json", "{")
    write_text(records.root / "history" / "00000001.json", "{")
    line = read_line(records.root)
    assert _days(line) == [FIRST]
    assert "00000001.json" in line.problem


def test_a_line_whose_registry_was_lost_has_the_champion_of_its_history(records: Records) -> None:
    model = records.run(0)
    (records.root / "champion.json").unlink()
    line = read_line(records.root)
    assert line.champion is not None
    assert line.champion.model_id == model


def test_days_that_the_newest_preset_leaves_out_come_from_its_run(records: Records) -> None:
    line = read_line(records.every_kind().root)
    assert line.left_out == {day(7): "a holiday of the platform"}
    assert line.exported == {day(5)}
    shutil.rmtree(records.root / "runs")
    (records.root / "models" / "99999999-abc").mkdir()
    line = read_line(records.root)
    assert (line.left_out, line.exported) == ({}, {day(5)})


def test_a_mistyped_day_is_listed_and_moves_neither_the_newest_day_nor_what_stays(records: Records) -> None:
    records.run(0)
    write_line(records.root)
    remove(records.root / "runs")
    typo = date(2126, 1, 22)
    write_json(records.workspace.failure(typo), {"as_of": str(typo), "words": "the logs lack 20 days"})
    records.monitor((typo - FIRST).days, "the newest logs are of 2026-01-22")
    planned = {"first": str(FIRST), "last": str(typo), "reprocess": "none", "outcomes": []}
    write_json(records.workspace.backfill(FIRST, typo), planned)
    line = read_line(records.root)
    assert _days(line) == [typo, FIRST]
    assert line.newest == FIRST
    assert [one.day for one in days(line)] == [FIRST]
    said = summary(line)
    assert (said.verdict, said.verdict_day, said.monitored) == ("promoted", FIRST, None)


def test_a_file_that_is_named_after_no_day_hides_no_other(records: Records) -> None:
    records.run(0)
    records.stop(day(1), "has_rows")
    copy = records.workspace.latest_validation(day(1))
    shutil.copy(copy, copy.with_name(f"{copy.stem} (copy).json"))
    (records.root / "runs" / "a-copy").mkdir()
    (records.root / "runs" / "a-copy" / "summary.json").write_text("{")
    assert _days(read_line(records.root)) == [day(1), FIRST]


def test_nothing_is_known_of_an_empty_directory(tmp_path: Path) -> None:
    line = read_line(tmp_path)
    assert (line.runs, line.newest, line.champion, line.seen) == ((), None, None, ())
