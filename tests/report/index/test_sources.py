"""What the index takes from each stored file."""

import os
from math import expm1

import pytest

from mtmd.report.index.reading import read_line
from mtmd.report.index.records import RunRecord
from mtmd.report.index.sources import DAMAGED, shortened
from mtmd.store.files import write_json, write_text
from tests.report.index.conftest import Records, day


def _runs(records: Records) -> dict[str, RunRecord]:
    return {run.verdict: run for run in read_line(records.root).runs}


def test_a_run_has_the_candidates_figures_over_the_slices_of_each_task(records: Records) -> None:
    records.run(0, 0.45, failed=("champion",))
    run = _runs(records)["kept"]
    ctr, hides = run.tasks
    assert (ctr.task, ctr.rows, ctr.logmae, ctr.auc) == ("ctr", 200, 0.45, 0.75)
    assert ctr.calibration == pytest.approx(1.5)
    assert ctr.over == pytest.approx({"champion": -expm1(-0.1)})
    assert (hides.task, hides.logmae, hides.calibration, hides.over) == ("hides", None, None, {})
    assert (run.rows, run.training_seconds, run.reason) == (12_345, 61.6, "champion")
    assert [(gate.name, gate.result) for gate in run.gates] == [("champion", "fail"), ("parity", "pass")]
    assert run.failing == "what champion saw"


def test_days_that_ended_before_a_decision_have_their_reasons(records: Records) -> None:
    runs = _runs(records.every_kind())
    assert runs["stopped"].reason == "1 in data suites: ads has_rows"
    assert runs["failed"].reason == "the logs of the day are missing"
    assert runs["stopped"].as_of == day(3)


def test_a_day_that_passed_with_warnings_is_not_stopped(records: Records) -> None:
    """The word `failed` is in its file, and nothing in it stops a run."""
    warned = {"table": "ads", "name": "few", "description": "why", "status": "failed", "severity": "warning"}
    days = [{"day": str(day(0)), "results": [warned], "profile": None}]
    place = records.workspace.latest_validation(day(0))
    write_json(place, {"days": days, "window": None, "reused": [], "sources": ["a"]})
    line = read_line(records.root)
    assert (line.runs, line.validated) == ((), {day(0)})


def test_a_validation_that_was_altered_is_shown_as_damaged(
    records: Records, caplog: pytest.LogCaptureFixture
) -> None:
    """It is valid JSON, and says that every suite passed; its seal says otherwise."""
    failed = {"table": "ads", "name": "few", "description": "why", "status": "failed", "severity": "critical"}
    days = [{"day": str(day(0)), "results": [failed], "profile": None}]
    place = records.workspace.latest_validation(day(0))
    write_json(place, {"days": days, "window": None, "reused": [], "sources": ["a"]}, seal=True)
    assert _runs(records)["stopped"].reason == "1 in data suites: ads few"
    write_text(place, place.read_text().replace("failed", "passed"))
    line = read_line(records.root)
    assert [(run.as_of, run.verdict, run.reason) for run in line.runs] == [(day(0), "failed", DAMAGED)]
    assert line.validated == set()
    assert "was altered" in caplog.text


def test_a_validation_that_a_decision_came_after_is_not_read(records: Records) -> None:
    """The day was decided, so its suites passed; one that is newer than the decision may have stopped a later run."""
    place = records.workspace.latest_validation(day(0))
    write_text(place, "{")
    os.utime(place, (0, 0))
    records.run(0)
    line = read_line(records.root)
    assert ({run.verdict for run in line.runs}, line.validated) == ({"promoted"}, {day(0)})
    write_text(place, "{ ")
    assert _runs(records)["failed"].reason == DAMAGED


def test_the_monitor_backfills_and_ab_tests_are_summed_up(records: Records) -> None:
    line = read_line(records.every_kind().root)
    breach, quiet = line.monitored
    assert (breach.judged, breach.breaches) == (5, 2)
    assert breach.words == "search × ctr: AUC 0.6; the champion is old"
    assert (quiet.judged, quiet.breaches, quiet.words) == (3, 0, "")
    (backfill,) = line.backfills
    assert backfill.states == {"skipped": 1, "completed": 1, "failed": 1}
    assert backfill.failed == {day(2): "no logs of the day"}
    (tested,) = line.ab_tests
    assert (tested.day, tested.control, tested.samples, tested.requests) == (day(2), "per_slice", 12, 4000)
    assert [(change.metric, change.change) for change in tested.changes] == [("CTR", 0.05), ("HDR", None)]


def test_files_that_cannot_be_read_are_left_out_with_a_warning(
    records: Records, caplog: pytest.LogCaptureFixture
) -> None:
    records.every_kind()
    for pattern in ("runs/*/summary.json", "failures/*", "monitoring/*", "backfills/*", "evaluations/*/*"):
        for path in records.root.glob(pattern):
            write_text(path, '{"failed": ')
    write_text(records.workspace.latest_validation(day(3)), '"failed"')
    line = read_line(records.root)
    assert (line.monitored, line.backfills, line.ab_tests) == ((), (), ())
    assert [(run.as_of, run.verdict, run.reason) for run in line.runs] == [(day(3), "failed", DAMAGED)]
    assert line.validated == {day(5), day(6)}
    assert len(caplog.records) == 9


def test_long_texts_are_cut() -> None:
    assert shortened("a" * 300) == "a" * 300
    assert shortened("a" * 301) == "a" * 299 + "…"
