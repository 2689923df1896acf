"""The gate anchor: against the last full retrain, which may be the champion."""

from mtmd.config.preset import Extras
from mtmd.promote.gates import apply_gates
from tests.promote.test_gates import evaluation, gate, inputs

FULL = {"anchor": "full"}


def test_losses_to_each_days_champion_do_not_add_up_past_the_anchor() -> None:
    """2.5 % above the champion is within its 3 %; against the last full retrain the loss is 8 %."""
    slipped = evaluation(mtmd={"logmae": 0.41}, anchor={"logmae": 0.38})
    verdict = apply_gates(inputs(evaluation=slipped, further=FULL))
    assert verdict.failed == ("anchor",)
    assert gate(verdict, "anchor").detail == (  # ln(0.41/0.38/1.01) is 6.6 standard errors
        "1 of 3 slices and tasks are worse than the last full retrain by more than 1%: search × standard × ctr: "
        "LogMAE 0.41, last full retrain 0.38: −7.9% [−10.0%, −5.8%], p < 0.0001"
    )
    assert apply_gates(inputs(evaluation=slipped)).promoted  # without the extra there is no anchor
    assert apply_gates(inputs(evaluation=slipped, further=FULL), "a person's reason").promoted
    wide = Extras.model_validate({"warmstart": {"anchor_tolerance": 0.1}})
    assert apply_gates(inputs(evaluation=slipped, further=FULL, extras=wide)).promoted


def test_a_champion_that_was_fully_retrained_is_the_anchor_itself() -> None:
    """2.5 % above it is within the champion's 3 %, and not within the anchor's 1 %."""
    worse = inputs(evaluation=evaluation(mtmd={"logmae": 0.42}), further={"anchor": "old"})
    assert gate(apply_gates(worse), "champion").passed
    assert not gate(apply_gates(worse), "anchor").passed
    unlike = worse.model_copy(update={"left_out": "it is newer"})
    assert "has no predictor 'anchor'" in gate(apply_gates(unlike), "anchor").detail
