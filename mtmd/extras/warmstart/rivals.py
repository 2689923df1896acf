"""The last full retrain beside the champion: small losses to each day's champion can't add up unseen."""

from mtmd.extras.warmstart import Settings
from mtmd.promote.findings import GateResult
from mtmd.promote.gates import Gate, GateInputs
from mtmd.promote.slice_gates import against
from mtmd.registry.incumbent import earlier_champions
from mtmd.registry.registry import Registry
from mtmd.run import RunPlan

ANCHOR = "anchor"


def registered(plan: RunPlan) -> dict[str, str]:
    """The last fully retrained champion before the day; nothing where there is none, or no day goes on."""
    if not plan.preset.extras.of(Settings).on:
        return {}
    earlier = earlier_champions(Registry(plan.workspace.root), plan.as_of)
    found = next((model.model_id for model in earlier if model.started_from is None), None)
    return {} if found is None else {ANCHOR: found}


def _judge(inputs: GateInputs) -> GateResult | None:
    """Against the last full retrain, which may be the champion; None where there is none."""
    if ANCHOR not in inputs.further:
        return None
    is_champion = inputs.further[ANCHOR] == inputs.champion and inputs.left_out is None
    return against(
        ANCHOR,
        "champion" if is_champion else ANCHOR,
        inputs.extras.of(Settings).anchor_tolerance,
        inputs.evaluation,
        inputs.gates,
        called="last full retrain",
    )


GATES = (Gate(ANCHOR, _judge, overridable=True),)
