"""The runs of a line, from the records that they left."""

from datetime import UTC, datetime, timedelta

from mtmd.report.past import runs, runs_until
from mtmd.store.files import write_text
from tests.inspect.conftest import FIRST, SECOND, Line, build, line

__all__ = ["build", "line"]


def test_runs_are_listed_the_newest_first_with_verdict_size_and_reason(line: Line) -> None:
    line.decide("20260125-a1", FIRST, preset={"name": "tiny"})
    line.decide("20260126-b1", SECOND, failed=("champion", "parity"), preset={"name": "tiny"})
    line.decide("20260126-b2", SECOND, refusal="the run was told not to promote")
    told, kept, promoted = runs(line.workspace, 10)
    assert (promoted.verdict, promoted.model_id, promoted.as_of) == ("promoted", "20260125-a1", FIRST)
    assert (promoted.rows, promoted.training_seconds, promoted.reason) == (12_345, 61.6, "")
    assert promoted.at == datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
    assert (kept.verdict, kept.reason) == ("kept", "champion, parity")
    assert (told.verdict, told.reason) == ("kept", "the run was told not to promote")
    assert (told.rows, told.training_seconds) == (None, None)  # an older version wrote no origin
    assert [run.model_id for run in runs(line.workspace, 1)] == ["20260126-b2"]


def test_a_day_that_the_suites_stopped_is_a_run_too(line: Line) -> None:
    line.decide("20260125-a1", FIRST)
    line.stop(FIRST)
    line.stop(SECOND, "has_rows", "no_nulls")
    stopped, promoted = runs(line.workspace, 10)
    assert (stopped.verdict, stopped.as_of, stopped.model_id) == ("stopped", SECOND, None)
    assert stopped.reason == "2 in data suites: ads has_rows"
    assert promoted.model_id == "20260125-a1"


def test_a_record_that_cannot_be_read_is_left_out(line: Line) -> None:
    run = line.decide("20260125-a1", FIRST)
    write_text(run / "summary.json", "{")
    write_text(line.workspace.latest_validation(FIRST), "{")
    assert runs(line.workspace, 10) == ()


def test_a_line_without_runs_has_an_empty_list(line: Line) -> None:
    assert runs(line.workspace, 10) == ()
    assert runs_until(line.workspace, SECOND, 10) == ()


def test_runs_up_to_a_day_are_in_the_order_of_days_and_then_of_records(line: Line) -> None:
    line.stop(SECOND, "has_rows")  # mended, and then decided
    line.decide("20260126-b1", SECOND, failed=("champion",))
    line.decide("20260126-b1", SECOND)
    line.decide("20260125-a1", FIRST)
    line.stop(FIRST, "no_nulls")  # a later run of the day
    line.decide("20260127-c1", SECOND + timedelta(days=1))
    copied = line.workspace.latest_validation(SECOND)
    write_text(copied.with_name(f"{copied.stem} (copy).json"), copied.read_text())
    found = runs_until(line.workspace, SECOND, 10)
    assert [(run.as_of, run.verdict) for run in found] == [
        (FIRST, "promoted"),
        (FIRST, "stopped"),
        (SECOND, "kept"),
        (SECOND, "promoted"),
    ]
    assert runs_until(line.workspace, SECOND, 1) == found[-1:]
