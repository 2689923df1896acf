"""What models answered people: a champion on probation, the models of a rollout, and logs that name none of them."""

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from mtmd.config import Task
from mtmd.extras.probation.watch import _judged, _measured, _of, silence
from mtmd.logs.contract import SERVED_BY
from mtmd.monitor.health import Answered, MonitorReport
from mtmd.monitor.stage import monitor
from mtmd.registry.registry import Registry
from mtmd.report import jobs
from mtmd.report.document import markdown
from tests.flows.runs import LINE, NEXT, TINY, Run, copied
from tests.monitor.planted import answered, promoted, replaced

LAST = NEXT + timedelta(days=1)


@pytest.fixture
def line(first_run: Run, tmp_path: Path) -> Registry:
    """With one champion, which answered on the first day after it; the logs are beside the artifacts."""
    logs = Path(shutil.copytree(first_run.logs, tmp_path / "logs"))
    answered(logs, {NEXT: f"'{first_run.summary.model_id}'"})
    return Registry(copied(first_run.artifacts, tmp_path / "artifacts") / LINE)


def look(line: Registry, day: date) -> MonitorReport:
    logs = line.root.parents[1] / "logs"
    return monitor(day, TINY, logs=str(logs), artifacts=str(line.root.parent))


def test_a_new_champion_is_on_probation_until_a_day_that_it_answered_was_judged(line: Registry) -> None:
    old = line.require_champion().model_id
    first = look(line, NEXT)
    assert first.watched == (
        f"{old} is on probation, and not judged: nothing of the champion before it (None) was seen on the 7 days before"
    )
    assert {one.task: one.model for one in first.served} == dict.fromkeys(("all", "ctr", "gctr", "octr"), old)
    assert not first.passed
    promoted(line, NEXT, "good")
    new = promoted(line, NEXT, "same")  # under another id, it is no champion before itself
    answered(line.root.parents[1] / "logs", {LAST: f"if(user_id % 50 = 0, null, '{new}')"})
    second = look(line, LAST)
    assert second.watched == f"{new} is on probation: compared with {old} on {NEXT}"
    assert second.passed
    text = markdown(jobs.monitor(second, [first, second]))
    assert "What people did with its answers" in text
    assert "| calibration, ctr " in text
    (unscored,) = second.of("served unscored")
    assert unscored.value == pytest.approx(0.02, abs=0.01)
    # Seen on the day before.
    shutil.copy(*(line.root / "monitoring" / f"date={day}.json" for day in (LAST, NEXT)))
    assert look(line, LAST).watched == f"{new} passed its probation on {LAST}"


def test_scores_twice_as_high_and_rows_without_a_score_are_a_breach(line: Registry) -> None:
    look(line, NEXT)
    old = line.require_champion().model_id
    bad = promoted(line, NEXT, "bad", odds=2.4)
    answered(line.root.parents[1] / "logs", {LAST: f"if(user_id % 5 = 0, null, '{bad}')"})
    report = look(line, LAST)
    found = {(one.signal, one.where): one for one in report.unfit}
    assert {("served calibration", "ctr"), ("served unscored", "all")} <= set(found)
    change = found["served calibration", "ctr"].change
    assert change is not None
    assert change.low is not None
    assert change.value == pytest.approx(0.9, abs=0.4), change
    assert change.low > 0.3, change
    assert f"{bad}, ctr: calibration" in report.words
    assert f" of {old} (+" in report.words
    assert not report.passed
    assert " more" in report.words
    assert "✗ breach" in markdown(jobs.monitor(report, [report]))


def test_a_day_on_which_people_act_twice_as_often_is_no_breach_and_a_flat_model_is() -> None:
    """Scores that are right on both days; then the same score for all rows of the second."""
    luck = np.random.default_rng(7).random(20_000)
    spread = np.random.default_rng(8).lognormal(-0.5, 1, 20_000)

    def measured(rate: float, scores: NDArray[np.float64]) -> dict[str, Answered]:
        rows = {"model": np.zeros(20_000, int), "person": np.arange(20_000) // 4}
        rows |= {"log_p": np.log(scores)[:, None], "labels": (luck < rate * spread)[:, None] * 1}
        return _of(_measured(rows, "m", 0, [Task(name="ctr", label="clicked")]), "m")

    old, flat = measured(0.01, 0.01 * spread), measured(0.02, np.full(20_000, 0.02))
    assert not [one for one in _judged(measured(0.02, 0.02 * spread), old, 100, alike=False) if one.breach]
    assert "served ne" in [one.signal for one in _judged(flat, old, 100, alike=False) if one.breach]
    assert flat["ctr"].measures["ne"][0] == pytest.approx(1.0, abs=0.01)


def test_the_models_of_a_rollout_are_compared_on_the_day_itself(line: Registry) -> None:
    old, new = line.require_champion().model_id, promoted(line, NEXT, "bad", odds=2.4)
    champion = line.roll_out(0.4, "try it", lambda _: None)
    theirs = " or ".join(f"user_id = {user}" for user in range(1, 2_000) if champion.has_live(user))
    answered(line.root.parents[1] / "logs", {LAST: f"if({theirs}, '{new}', '{old}')"})
    report = look(line, LAST)
    assert report.watched == f"{champion.answers}: compared on this day"
    assert ("served calibration", "ctr") in {(one.signal, one.where) for one in report.unfit}
    users = {one.model: one.users for one in report.served if one.task == "ctr"}
    assert 0.3 < users[new] / (users[new] + users[old]) < 0.5


def test_a_champion_that_answered_nobody_is_a_breach_where_rows_have_no_score(line: Registry) -> None:
    live, none = line.require_champion(), pa.table({SERVED_BY: pa.array([None] * 9 + ["m"], pa.string())})
    change = live.change.model_copy(update={"at": datetime(2026, 1, 1, tzinfo=UTC)})
    early = live.model_copy(update={"change": change})
    (found,) = silence(NEXT, early, none)
    assert (found.breach, found.signal) == (True, "served unscored")
    assert found.words == f"{live.model_id} answered nobody on {NEXT}, and 90.0% of the rows have no score"
    report = look(line, NEXT).model_copy(update={"findings": (found,)})
    assert report.unfit == (found,)
    assert "answered nobody" in markdown(jobs.monitor(report, [report]))
    assert silence(NEXT, live, none) == []  # it went live after that day
    assert silence(NEXT, early, none.slice(9)) == []  # another one answered all


def test_a_model_that_nobody_knows_and_a_column_of_another_type_are_named(line: Registry) -> None:
    logs = line.root.parents[1] / "logs"
    old, other = line.require_champion().model_id, promoted(line, NEXT, "other", bid="newer_bid")
    line.rollback("reads what the logs lack", lambda _: None)
    answered(logs, {LAST: f"['20260101-gone', '../models', '{other}', '{old}'][user_id % 4 + 1]"})
    report = look(line, LAST)
    assert {one.model for one in report.served} == {old}
    unsafe, lost, lacking = report.of("served")
    assert (lost.where, lost.judged) == ("20260101-gone", False)
    assert (lacking.where, "newer_bid" in lacking.words) == (other, True)
    assert "the logs name it as served_by: model '20260101-gone' is not in" in lost.words
    assert "model id '../models' must be" in unsafe.words
    (file,) = (logs / "candidates" / f"date={LAST}").glob("*.parquet")
    replaced(file, f"select * replace (nullif(served_by, '{old}') as served_by) from '{{}}'")
    assert look(line, LAST).watched.endswith("; it answered nobody on this day")
    replaced(file, "select * replace (ad_id::varchar as served_by) from '{}'")
    assert f"candidates of {LAST} name " in look(line, LAST).words
    (file,) = (logs / "candidates" / f"date={NEXT}").glob("*.parquet")
    replaced(file, "select * replace (7 as served_by) from '{}'")
    said = look(line, NEXT).words
    assert "the logs can't be used: " in said, said
    assert "served_by (is INTEGER; must be VARCHAR)" in said, said


def test_logs_that_name_no_model_are_watched_as_before(first_run: Run, tmp_path: Path) -> None:
    artifacts = copied(first_run.artifacts, tmp_path / "artifacts")
    text = monitor(NEXT, TINY, logs=str(first_run.logs), artifacts=str(artifacts)).model_dump_json()
    assert not [word for word in ("served", "watched", "change") if f'"{word}"' in text]
