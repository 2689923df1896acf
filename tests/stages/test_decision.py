from pathlib import Path

import pytest

from mtmd.errors import RegistryError
from mtmd.stages import Proofs, RunSummary
from mtmd.storage import read_json
from tests.flows.runs import AS_OF, NEXT, Run, copied
from tests.stages.conftest import Done, run_stages


def _failed(done: Done) -> Proofs:
    parity = done.proofs.parity.model_copy(update={"passed": False, "worst": "Δ 1 in query_search.onnx"})
    return done.proofs.model_copy(update={"parity": parity})


def test_a_candidate_that_passes_is_promoted_and_the_run_recorded(done: Done) -> None:
    summary = done.decide()
    assert (summary.promoted, summary.words, summary.champion) == (
        True,
        "promoted",
        done.exported.model_id,
    )
    run = done.plan.workspace.run(done.plan.as_of, done.trained[0].key)
    assert RunSummary.model_validate(read_json(run / "summary.json")) == summary
    assert summary.reused["trained models"] == "3 of 3"


def test_a_failed_gate_promotes_nothing(done: Done) -> None:
    summary = done.decide(proofs=_failed(done))
    assert summary.words == "promoted nothing (no champion yet) because parity: Δ 1 in query_search.onnx"
    assert not summary.promoted
    assert done.registry.champion() is None


def test_a_loss_that_is_not_finite_promotes_nothing(done: Done) -> None:
    mtmd = done.trained[0]
    epochs = mtmd.fit.epochs
    broken = epochs[0].model_copy(update={"train_loss": float("nan")})
    fit = mtmd.fit.model_copy(update={"epochs": (broken, *epochs[1:])})
    summary = done.decide(trained=(mtmd.model_copy(update={"fit": fit}), *done.trained[1:]))
    assert summary.words.endswith("because training: a loss or a weight is not finite")


def test_told_not_to_promote_it_only_registers(done: Done) -> None:
    summary = done.decide(promote=False)
    assert summary.verdict.passed
    assert not summary.verdict.promoted
    assert summary.words.endswith("because the run was told not to promote")
    assert done.registry.champion() is None


@pytest.mark.parametrize("promote", [True, False])
def test_the_champion_again_is_said_to_be_champion_already(done_live: Done, promote: bool) -> None:
    summary = done_live.decide(promote=promote)
    assert summary.words == f"{done_live.exported.model_id} is already champion"
    assert summary.promoted
    assert len(done_live.registry.history()) == 1


def test_a_champion_that_would_not_pass_today_stays_and_is_not_called_missing(done_live: Done) -> None:
    summary = done_live.decide(proofs=_failed(done_live))
    name = done_live.exported.model_id
    assert summary.words == f"{name} is champion already and stays, although parity: Δ 1 in query_search.onnx"
    assert summary.champion == name


def test_a_champion_that_changed_meanwhile_is_an_error(next_day: Run, tmp_path: Path) -> None:
    artifacts = copied(next_day.artifacts, tmp_path / "artifacts", champion=False)
    done = run_stages(next_day.logs, artifacts, NEXT)
    (other,) = (path.name for path in done.registry.models.iterdir() if path.name != done.exported.model_id)
    done.registry.promote(other, AS_OF, "by another run", 0)
    with pytest.raises(RegistryError, match="the champion's sequence is 1, not 0 as when"):
        done.decide()


def test_an_older_candidate_does_not_displace_a_newer_champion(next_day: Run, tmp_path: Path) -> None:
    done = run_stages(next_day.logs, copied(next_day.artifacts, tmp_path / "artifacts"))
    summary = done.decide()
    live = next_day.summary.model_id
    assert summary.words.startswith(f"kept champion {live} because its as_of 2026-01-21 is older")
    assert (summary.promoted, summary.champion) == (False, live)
