"""Whether the gates would have decided otherwise under the bounds of the champion's run, on the same numbers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from mtmd.abtest.outcome import ABTest
from mtmd.config import GatesConfig
from mtmd.export.parity import ParityReport
from mtmd.promote.gates import GateInputs, Verdict, ab_gate, apply_gates
from mtmd.promote.slice_gates import Result
from mtmd.registry.records import RunOrigin
from mtmd.report.page.charts import enumerated

_RESULTS: Mapping[Result, str] = {"pass": "passed", "fail": "failed", "not applicable": "been not applicable"}


@dataclass(frozen=True)
class Otherwise:
    """A gate that decides otherwise under the former bounds, with what it would say."""

    gate: str
    now: Result
    former: Result
    detail: str


@dataclass(frozen=True)
class FormerRules:
    """The bounds that changed since the champion's run, and the gates that would decide otherwise under the old ones.

    words     a sentence for the first screen; empty where no bound changed, or nothing is known
    note      the same for the section about the champion, or why it can't be told
    changed   each bound that differs: key, value of the champion's run, value of this run
    """

    words: str = ""
    note: str = ""
    changed: tuple[tuple[str, str, str], ...] = ()
    otherwise: tuple[Otherwise, ...] = ()


def former_rules(
    origin: RunOrigin | None, inputs: GateInputs, verdict: Verdict, tested: ABTest | None = None
) -> FormerRules:
    """The run's gates (`inputs`, which gave `verdict`) asked again with the bounds that the champion's run recorded.

    `tested` is the simulated A/B, where it is a gate.
    """
    former = None if origin is None else _recorded(origin.preset)
    if former is None:
        return FormerRules(note="not applicable: the champion's run has no record of the bounds of its gates")
    changed = tuple(_changed(former, inputs.gates))
    if not changed:
        return FormerRules(note="The bounds of the gates are those of the champion's run.")
    otherwise = tuple(_otherwise(_asked_again(former, inputs, tested), verdict))
    words = _words(otherwise)
    note = f"{words[0].upper()}{words[1:]}."
    if former.top_k != inputs.gates.top_k:
        note += " Ranks are compared as this run compared them: top_k can't be changed afterwards."
    return FormerRules(words, note, changed, otherwise)


def _recorded(preset: Mapping[str, Any]) -> GatesConfig | None:
    """A preset's gates as an older or newer version wrote them; None where they can't be read."""
    gates = preset.get("gates")
    if not isinstance(gates, Mapping):
        return None
    try:
        return GatesConfig.model_validate({k: v for k, v in gates.items() if k in GatesConfig.model_fields})
    except ValidationError:
        return None


def _changed(former: GatesConfig, now: GatesConfig) -> Iterator[tuple[str, str, str]]:
    for key in GatesConfig.model_fields:
        before, after = getattr(former, key), getattr(now, key)
        if before != after:
            yield key, f"{before:g}", f"{after:g}"


def _asked_again(former: GatesConfig, inputs: GateInputs, tested: ABTest | None) -> Verdict:
    parity = inputs.parity
    again: dict[str, Any] = {
        "gates": former,
        "parity": ParityReport.judge(parity.bundle_id, former, parity.files, parity.day),
    }
    if inputs.ab_test is not None:
        again["ab_test"] = ab_gate(tested, former.significance)
    return apply_gates(inputs.model_copy(update=again))


def _otherwise(former: Verdict, verdict: Verdict) -> Iterator[Otherwise]:
    before = {gate.name: gate for gate in former.gates}
    for gate in verdict.gates:
        own = before.get(gate.name, gate)
        if own.result != gate.result:
            yield Otherwise(gate.name, gate.result, own.result, own.detail)


def _words(otherwise: tuple[Otherwise, ...]) -> str:
    """`under the bounds of the champion's run the champion gate would have passed`"""
    if not otherwise:
        return "under the bounds of the champion's run every gate would have decided the same"
    parts = []
    for result in dict.fromkeys(one.former for one in otherwise):
        names = [one.gate for one in otherwise if one.former == result]
        gates = f"the {enumerated(names)} gate{'' if len(names) == 1 else 's'}"
        parts.append(f"{gates} would have {_RESULTS[result]}")
    return f"under the bounds of the champion's run {', '.join(parts)}"
