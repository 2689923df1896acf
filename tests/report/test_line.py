"""What is known of a line: each file is read once, and what was removed stays listed."""

import os
from datetime import date

import pytest

from mtmd.promote.findings import RunSummary
from mtmd.report.index import days_table, write_line
from mtmd.report.line import LineRecords, RunRecord, made_by, read_line
from mtmd.store.files import remove, write_json, write_text
from mtmd.store.workspace import read_record
from tests.report.line_records import FIRST, Records, build, day, model_of, records

__all__ = ["build", "records"]


def _days(line: LineRecords) -> list[date]:
    return [run.as_of for run in line.runs]


def test_the_newest_day_comes_first_and_of_a_day_the_latest_run(records: Records) -> None:
    records.run(1)
    records.run(0)
    second = records.decide("20260122-later", day(1), failed=("parity",))
    line = read_line(records.root)
    assert _days(line) == [day(1), day(1), FIRST]
    assert line.runs[0].run == second.name
    assert line.champion is not None
    assert len(line.history) == 2


def test_a_promotion_despite_a_failed_gate_is_told_as_one(records: Records) -> None:
    path = records.decide("20260121-a", FIRST, failed=("champion",)) / "summary.json"
    summary = read_record(path, RunSummary)
    assert summary is not None
    stands = summary.verdict.model_copy(update={"promotion": "all gates passed"})  # an earlier run's
    assert RunRecord.of(path, summary.model_copy(update={"verdict": stands})).verdict == "promoted"
    gates = tuple(gate.model_copy(update={"overridable": True}) for gate in summary.verdict.gates)
    forced = summary.verdict.model_copy(update={"override": "a holiday", "gates": gates})
    found = RunRecord.of(path, summary.model_copy(update={"verdict": forced, "promoted": True}))
    assert (found.verdict, found.reason) == ("promoted", "override (a holiday) of failed gates: champion")


def test_a_run_that_is_known_is_not_read_again_until_it_is_written_again(records: Records) -> None:
    records.run(0)
    write_line(records.root)
    (path,) = records.root.glob("runs/*/summary.json")
    time = path.stat().st_mtime_ns
    write_text(path, "{")  # damaged, and as old as before
    os.utime(path, ns=(time, time))
    assert [run.verdict for run in read_line(records.root).runs] == ["promoted"]
    records.decide("20260121-again", FIRST, failed=("parity",))
    assert [run.verdict for run in read_line(records.root).runs] == ["kept", "promoted"]
    os.utime(path, (time, time // 10**9 + 1))
    assert len(read_line(records.root).runs) == 2  # what was known of it stays


def test_runs_that_the_clean_up_removed_stay_listed_for_400_days(records: Records) -> None:
    records.every_kind()
    write_line(records.root)
    for name in ("runs", "validation", "monitoring", "failures"):
        remove(records.root / name)
    line = read_line(records.root)
    assert _days(line) == [day(2), day(1), FIRST]
    assert [line.page(run) for run in line.runs] == ["", "", ""]
    records.run(400)
    assert _days(read_line(records.root)) == [day(400), day(2), day(1)]


def test_an_index_of_another_version_is_made_again(records: Records) -> None:
    records.run(0)
    write_line(records.root)
    write_json(records.root / "index.json", {"format": 1, "runs": [{"path": "x"}]})
    assert _days(read_line(records.root)) == [FIRST]


def test_a_damaged_registry_is_said_and_hides_no_run(records: Records) -> None:
    """The pointer is taken from the history; where that is damaged too, nothing says what is live."""
    model = records.run(0)
    write_text(records.root / "champion.json", "{")
    line = read_line(records.root)
    assert line.champion is not None
    assert (line.champion.model_id, line.problem) == (model, "")
    write_text(records.root / "champion.json", "{")
    write_text(records.root / "history" / "00000001.json", "{")
    line = read_line(records.root)
    assert _days(line) == [FIRST]
    assert "00000001.json" in line.problem


def test_a_mistyped_day_that_is_yet_to_come_is_not_listed(records: Records) -> None:
    records.run(0)
    typo = date(2126, 1, 22)
    records.stop(typo, "the logs lack 20 days", "failed")
    records.monitor((typo - FIRST).days, "the newest logs are of 2026-01-22")
    line = read_line(records.root)
    assert (_days(line), line.monitored) == ([FIRST], {})
    assert len(days_table(line).rows) == 1


def test_files_that_cannot_be_read_are_left_out_with_a_warning(
    records: Records, caplog: pytest.LogCaptureFixture
) -> None:
    records.every_kind()
    for pattern in ("runs/*/summary.json", "failures/*", "monitoring/*"):
        for path in records.root.glob(pattern):
            write_text(path, '{"failed": ')
    line = read_line(records.root)
    assert (line.monitored, line.runs) == ({}, ())
    assert len(caplog.records) == 7


def test_a_model_was_made_by_the_run_that_promoted_it_or_else_the_latest_about_it(records: Records) -> None:
    model = records.run(0, failed=("champion",))
    promoting = records.decide(model, FIRST)
    records.decide(model, FIRST, refusal="it was rolled back")
    assert made_by(records.workspace, model) == promoting
    kept = records.run(1, failed=("champion",))
    latest = records.decide(kept, day(1), failed=("parity",))
    assert made_by(records.workspace, kept) == latest
    assert made_by(records.workspace, model_of(2)) is None
