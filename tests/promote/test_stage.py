from pathlib import Path

import pytest

from mtmd.errors import RegistryError
from mtmd.promote.findings import RunSummary
from mtmd.registry.records import RunOrigin
from mtmd.registry.registry import Registry
from mtmd.report import view
from mtmd.report.line import made_by
from mtmd.store.files import read_json, write_json
from mtmd.validate.stage import DataQuality
from tests.daily import Done, run_stages
from tests.flows.runs import AS_OF, LINE, NEXT, Run, copied


def _again(done: Done) -> Done:
    """The same stages once more, after the decision."""
    return run_stages(Path(done.plan.logs), Path(done.plan.artifacts), done.plan.as_of)


def _record(summary: RunSummary) -> RunSummary:
    return RunSummary.model_validate(read_json(Path(summary.places["run"]) / "summary.json"))


def test_a_candidate_that_passes_is_promoted_and_the_run_recorded(done: Done) -> None:
    summary = done.decide()
    assert (summary.promoted, summary.words, summary.champion) == (True, "promoted", done.exported.model_id)
    assert _record(summary) == summary
    assert not summary.repeated
    assert summary.reused["trained models"] == "3 of 3"
    validation = DataQuality.model_validate(read_json(Path(summary.places["validation"])))
    assert validation.validations == done.quality.validations
    made_with = RunOrigin.model_validate(read_json(Path(summary.places["run"]) / "origin.json"))
    assert made_with.preset["training"]["seed"] == done.plan.preset.training.seed
    assert made_with.sql["source_ads"] == done.plan.source.statement("ads")
    assert made_with.window_rows == sum(shard.candidates for shard in done.days.window)


@pytest.mark.parametrize("promote", [True, False])
def test_a_rerun_of_the_champion_leaves_the_decision_as_it_was(done: Done, promote: bool) -> None:
    first = done.decide()
    record = Path(first.places["run"], "summary.json").read_bytes()
    again = _again(done).decide(promote=promote)
    assert again.words == f"{done.exported.model_id} is already champion"
    assert (again.promoted, again.repeated) == (True, True)
    assert again.verdict == first.verdict
    assert again.places == first.places
    assert Path(first.places["run"], "summary.json").read_bytes() == record
    assert len(done.registry.history()) == 1


@pytest.mark.parametrize("fails", [False, True])
def test_of_two_runs_at_once_with_other_gates_one_promotes(done: Done, fails: bool) -> None:
    """The other one was evaluated before the promotion, and decides after it."""
    gates = done.plan.preset.gates.model_copy(update={"calibration_high": 1e-3 if fails else 9.0})
    preset = done.plan.preset.model_copy(update={"gates": gates})
    first = done.decide()
    second = done.decide(plan=done.plan.model_copy(update={"preset": preset}))
    assert first.is_news
    assert not second.is_news
    assert second.promoted
    assert second.places["run"] != first.places["run"]
    before = (
        f"{first.model_id} was promoted before (all gates passed; not applicable: champion), which stands"
    )
    assert second.words.startswith(before if fails else f"{first.model_id} is already champion")
    assert made_by(done.plan.workspace, first.model_id) == Path(first.places["run"])


def test_a_rerun_still_has_the_comparison_with_the_champion_of_that_time(
    next_day: Run, tmp_path: Path
) -> None:
    """Also when the run died between the promotion and its record."""
    artifacts = copied(next_day.artifacts, tmp_path / "artifacts")
    first = next_day.summary
    for record in artifacts.rglob("summary.json"):
        record.unlink()
    again = run_stages(next_day.logs, artifacts, NEXT).decide()
    assert again.words == f"{first.model_id} is already champion"
    assert (again.verdict.words(), again.verdict.champion) == ("promoted", first.verdict.champion)
    assert again.verdict.gates == first.verdict.gates
    assert again.report == first.report
    assert "champion" in again.report.predictors
    assert _record(again).verdict == again.verdict


def test_an_override_promotes_and_its_reason_is_in_the_history(done: Done) -> None:
    report = done.evaluated.report
    low = [m.model_copy(update={"mean_prediction": (m.mean_prediction or 0.0) / 20}) for m in report.metrics]
    written = {"metrics": [m.model_dump(mode="json") for m in low]}
    write_json(Path(done.evaluated.path) / "report.json", report.model_dump(mode="json") | written)
    assert done.decide().words.startswith("promoted nothing (no champion yet) because calibration: ")
    summary = done.decide(override="the teacher moved")
    reason = "override (the teacher moved) of failed gates: calibration"
    assert (summary.promoted, summary.words) == (True, f"promoted by {reason}")
    assert [change.reason for change in done.registry.history()] == [reason]
    again = done.decide(evaluated=_again(done).evaluated)  # without the override
    assert again.words == f"{done.exported.model_id} is already champion"
    assert again.verdict == summary.verdict


def test_a_champion_that_changed_meanwhile_is_an_error(next_day: Run, tmp_path: Path) -> None:
    artifacts = copied(next_day.artifacts, tmp_path / "artifacts", champion=False)
    done = run_stages(next_day.logs, artifacts, NEXT)
    (other,) = (path.name for path in done.registry.models.iterdir() if path.name != done.exported.model_id)
    done.registry.promote(other, AS_OF, "by another run", 0)
    with pytest.raises(RegistryError, match="the champion's sequence is 1, not 0 as when"):
        done.decide()


def test_an_older_candidate_is_not_compared_with_a_newer_champion(next_day: Run, tmp_path: Path) -> None:
    artifacts = copied(next_day.artifacts, tmp_path / "artifacts", champion=False)
    live = next_day.summary.model_id
    Registry(artifacts / LINE).promote(live, NEXT, "by another run", 0)
    done = run_stages(next_day.logs, artifacts)
    summary = done.decide()
    assert summary.words.startswith(f"kept champion {live} because its as_of 2026-01-21 is older")
    assert (summary.promoted, summary.champion) == (False, live)
    assert "champion" not in summary.report.predictors
    (gate,) = (gate for gate in summary.verdict.gates if gate.name == "champion")
    words = f"champion {live} (as_of 2026-01-22) is newer, so it is not compared"
    assert (gate.passed, gate.detail, gate.slices) == (True, words, ())
    assert words in "\n".join(view.metrics(done.plan, done.evaluated).words)


def test_a_refusal_after_a_rollback_leaves_the_record_of_the_promotion(next_day: Run, tmp_path: Path) -> None:
    artifacts = copied(next_day.artifacts, tmp_path / "artifacts")
    first = next_day.summary
    record = artifacts / LINE / "runs" / Path(first.places["run"]).name / "summary.json"
    before = record.read_bytes()
    Registry(artifacts / LINE).rollback("bad conversions", lambda directory: None)
    again = run_stages(next_day.logs, artifacts, NEXT).decide()
    assert f"because {first.model_id} was rolled back before; " in again.words
    assert record.read_bytes() == before
    assert _record(again) == again
    third = run_stages(next_day.logs, artifacts, NEXT).decide()
    assert (third.repeated, third.places) == (True, again.places)
    Registry(artifacts / LINE).reinstate(first.model_id, "it was the logs")
    back = run_stages(next_day.logs, artifacts, NEXT).decide()
    assert (back.promoted, back.words) == (True, "promoted")
    assert Path(back.places["run"]).name == record.parent.name
