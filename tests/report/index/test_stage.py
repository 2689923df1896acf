"""The index is written after every run, and what goes wrong there is never the run's loss."""

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from mtmd.errors import ConfigError, LogsError, StorageError, ValidationError
from mtmd.jobs.backfill import BackfillPlan, DayOutcome, PlannedDay
from mtmd.report.index.backfills import record_backfill
from mtmd.report.index.reading import read_line
from mtmd.report.index.stage import record_decision, record_failure, update_index, write_index
from mtmd.store.files import read_json, write_text
from tests.report.index.conftest import FIRST, Records, day


def _artifacts(records: Records) -> str:
    return str(records.root.parent)


def test_the_pages_of_a_line_and_of_the_lines_are_written_whole(records: Records) -> None:
    records.every_kind()
    other = records.root.parent / "older"
    (other / "runs").mkdir(parents=True)
    (records.root.parent / "my-ads").mkdir()  # no line: nobody's business
    update_index(_artifacts(records), "tiny")
    assert "<h1>tiny</h1>" in (records.root / "index.html").read_text()
    lines = (records.root.parent / "index.html").read_text()
    assert 'href="tiny/index.html"' in lines
    assert "older" in lines
    assert 'href="older' not in lines
    assert "my-ads" not in lines
    assert not list(records.root.parent.rglob(".tmp-*"))


def test_all_lines_are_written_again_on_request(records: Records) -> None:
    records.run(0)
    place = records.root.parent
    (place / "older" / "runs").mkdir(parents=True)
    assert write_index(place) == place / "index.html"
    assert 'href="older/index.html"' in (place / "index.html").read_text()
    assert (place / "older" / "index.html").is_file()
    (place / "older" / "index.html").unlink()
    (place / "older" / "runs").rmdir()  # as `make clean` leaves a line: it is gone
    write_index(place)
    assert "older/" not in (place / "index.html").read_text()


def test_a_line_that_cannot_be_written_keeps_no_other_from_it(records: Records) -> None:
    """The first of three, by name: the two others and the list are written all the same."""
    records.run(0)
    place = records.root.parent
    for name in ("a-broken-one", "z-last"):
        (place / name / "runs").mkdir(parents=True)
    (place / "a-broken-one" / "index.html").mkdir()  # nothing can be written there
    with pytest.raises(StorageError, match=r"the index of 1 lines in .*, the others were: a-broken-one: "):
        write_index(place)
    assert (place / "z-last" / "index.html").is_file()
    assert 'href="tiny/index.html"' in (place / "index.html").read_text()


def test_what_a_killed_writer_left_of_the_list_of_lines_is_removed(records: Records) -> None:
    records.run(0)
    left = records.root.parent / ".tmp-index.html-0123abcd"
    left.mkdir()
    write_text(left / "file", "half a pa")
    elsewhere = records.root / "runs" / ".tmp-report.html-0123abcd"
    elsewhere.mkdir()
    update_index(_artifacts(records), "tiny")
    assert not left.exists()
    assert elsewhere.exists()  # below a line its runs sweep


def test_a_directory_that_may_not_be_read_hides_no_line(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as lost+found; permissions do not stop who runs the tests as root."""
    records.run(0)
    (records.root.parent / "lost+found").mkdir()
    exists = Path.exists

    def refused(path: Path) -> bool:
        if path.parent.name == "lost+found":
            raise PermissionError(13, "Permission denied", str(path))
        return exists(path)

    monkeypatch.setattr(Path, "exists", refused)
    page = write_index(records.root.parent).read_text()
    assert 'href="tiny/index.html"' in page
    assert "lost+found" not in page


def test_artifacts_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"artifacts .*gone must be a directory"):
        write_index(tmp_path / "gone")


def test_a_failure_is_kept_until_its_day_is_decided(records: Records) -> None:
    error = LogsError("logs of 2026-01-21 are missing")
    record_failure(_artifacts(records), "tiny", FIRST, error)
    assert not records.root.exists()  # nothing ran on this line yet
    records.stop(day(-1))
    record_failure(_artifacts(records), "tiny", FIRST, error)
    (failed,) = read_line(records.root).runs
    assert (failed.verdict, failed.as_of, failed.reason) == ("failed", FIRST, str(error))
    assert "logs of 2026-01-21 are missing" in (records.root / "index.html").read_text()
    records.run(0)
    record_decision(records.workspace, FIRST)
    assert [run.verdict for run in read_line(records.root).runs] == ["promoted"]
    assert "logs of 2026-01-21 are missing" not in (records.root / "index.html").read_text()
    record_failure(_artifacts(records), "tiny", day(1), ConfigError("window_days (19) must be 20 or more"))
    assert read_line(records.root).runs[0].as_of == FIRST
    record_failure(_artifacts(records), "tiny", day(1), OSError(28, "No space left on device"))
    assert read_line(records.root).runs[0].reason == "OSError(28, 'No space left on device')"


def test_data_suites_that_fail_have_a_record_of_their_own(records: Records) -> None:
    records.stop(FIRST, "has_rows")
    record_failure(_artifacts(records), "tiny", FIRST, ValidationError("has_rows failed"))
    assert [run.verdict for run in read_line(records.root).runs] == ["stopped"]
    assert "1 in data suites: ads has_rows" in (records.root / "index.html").read_text()


def test_a_backfill_has_one_record_for_its_days(records: Records) -> None:
    days = tuple(PlannedDay(as_of=day(n), status="new", runs=True) for n in range(3))
    planned = BackfillPlan(first=day(0), last=day(2), reprocess="none", days=days)
    outcomes = [DayOutcome(as_of=day(0), state="completed", words="promoted")]
    record_backfill(_artifacts(records), "tiny", planned, outcomes)
    outcomes.append(DayOutcome(as_of=day(1), state="failed", words="no logs"))
    outcomes.append(DayOutcome(as_of=day(2), state="blocked", words="logs lack 1 day"))
    record_backfill(_artifacts(records), "tiny", planned, outcomes)
    (backfill,) = read_line(records.root).backfills
    assert backfill.states == {"completed": 1, "failed": 1, "blocked": 1}
    assert backfill.failed == {day(1): "no logs", day(2): "logs lack 1 day"}
    assert "1 completed, 1 failed, 1 blocked" in (records.root / "index.html").read_text()


def test_what_goes_wrong_is_a_warning(records: Records, caplog: pytest.LogCaptureFixture) -> None:
    records.run(0)
    (records.root / "index.html").mkdir()  # nothing can be written there
    with caplog.at_level(logging.WARNING):
        update_index(_artifacts(records), "tiny")
        update_index(_artifacts(records), "no-such-preset")
        record_failure(_artifacts(records), "no-such-preset", FIRST, LogsError("gone"))
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3
    assert f"the index of {_artifacts(records)} could not be written" in caplog.text
    assert "`mtmd index` writes it again" in caplog.text


def test_writers_at_once_list_the_runs_of_all(records: Records) -> None:
    """Days of a backfill run side by side: the last one to write has seen what the others recorded."""

    def one(number: int) -> None:
        update_index(_artifacts(records), "tiny")

    for number in range(4):
        records.run(number)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(4)))
    html = (records.root / "index.html").read_text()
    assert all(f">{day(number)}</a>" in html for number in range(4))
    assert len(read_json(records.root / "index.json")["seen"]) == 4


def test_a_list_of_lines_of_another_version_is_made_again(records: Records) -> None:
    records.run(0)
    write_text(records.root.parent / "index.json", "{")
    update_index(_artifacts(records), "tiny")
    (known,) = read_json(records.root.parent / "index.json")["lines"]
    assert (known["name"], date.fromisoformat(known["newest"])) == ("tiny", FIRST)
