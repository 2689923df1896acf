"""Movers: slices that a gate calls worse or nearly does, and those that moved beyond noise, each with its number.

How far a slice moved is told in standard errors, so that small and large slices can be compared. A slice moved where
the interval of its gain over the champion leaves zero out. It came near a gate where one more standard error would
have failed the gate.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import log, log1p
from typing import Literal

from mtmd.config import GatesConfig
from mtmd.evaluate.report import Comparison, EvaluationReport
from mtmd.promote.gates import BASELINE, CHAMPION, CONSTANT, Verdict
from mtmd.promote.slice_gates import GateResult, SliceFinding
from mtmd.report.page.charts import minus
from mtmd.report.traffic import traffic

Kind = Literal["worse", "near", "better"]
_GROUPS: tuple[tuple[Kind, str, str, int], ...] = (  # kind, title, class, how many are listed
    ("worse", "worse", "bad", 3),
    ("near", "near a gate, or behind", "held", 3),
    ("better", "better", "good", 2),
)
_NEAR = 1.0  # standard errors to the bound of a gate
_RIVALS = {  # predictor and words of each gate that compares slices
    "training": (CONSTANT, " against a constant"),
    "champion": (CHAMPION, ""),
    "anchor": ("anchor", " against the last full retrain"),
    "baseline": (BASELINE, " against the baselines"),
}


@dataclass(frozen=True)
class Mover:
    """A slice with its number; `rank` orders those of a kind, in standard errors.

    `small`: another training seed may change as much. `traffic` is the slice's share of the rows.
    """

    kind: Kind
    slice: str
    number: str
    words: str
    rank: float
    small: bool = False
    traffic: str = ""


@dataclass(frozen=True)
class MoverGroup:
    """Movers of one kind, the furthest first, and how many are left out."""

    title: str
    css: str
    listed: tuple[Mover, ...]
    more: int


@dataclass(frozen=True)
class Movers:
    """The groups that have movers, worse ones first; a sentence where there are none.

    `doubt` says that another training seed changes as much, where that is so of one that is worse or near it.
    """

    groups: tuple[MoverGroup, ...]
    words: str
    doubt: str = ""


def movers(report: EvaluationReport, verdict: Verdict, gates: GatesConfig) -> Movers:
    """Of every judged slice; each is named once, by the worst that is to say of it."""
    kinds = [kind for kind, *_ in _GROUPS]
    found: dict[str, Mover] = {}
    for mover in sorted(_all(report, verdict, gates), key=lambda one: (kinds.index(one.kind), -one.rank)):
        found.setdefault(mover.slice, mover)
    shares = {str(where): traffic(report, where) for where in report.slices}
    groups = []
    for kind, title, css, most in _GROUPS:
        own = [replace(one, traffic=shares[one.slice]) for one in found.values() if one.kind == kind]
        if own:
            groups.append(MoverGroup(title, css, tuple(own[:most]), max(0, len(own) - most)))
    small = any(one.small and one.kind != "better" for group in groups for one in group.listed)
    doubt = f"Another training seed may change up to {report.seed_noise:.0%}" if small else ""
    return Movers(tuple(groups), "" if groups else _none_moved(report, verdict), doubt)


def _none_moved(report: EvaluationReport, verdict: Verdict) -> str:
    """That no slice is worth a name, as far as slices had the data to tell."""
    if not any(finding.judged for gate in verdict.judged for finding in gate.slices):
        return "no slice had enough data to be judged"
    if CHAMPION not in report.predictors:
        return "there is no champion to move from, and none came near a gate"
    return "no slice moved beyond noise, and none came near a gate"


def _all(report: EvaluationReport, verdict: Verdict, gates: GatesConfig) -> Iterator[Mover]:
    for gate in verdict.judged:
        for finding in gate.slices:
            if finding.judged and finding.slice in report.slices:  # a task over its slices is none
                if gate.name == "calibration":
                    yield from _level(report, finding, gates)
                elif gate.name in _RIVALS:
                    yield from _against(report, gate, finding)


def _against(report: EvaluationReport, gate: GateResult, finding: SliceFinding) -> Iterator[Mover]:
    rival, aside = _RIVALS[gate.name]
    pair = report.compared(rival if rival in report.predictors else CHAMPION, finding.slice)
    gain = minus(f"{finding.improvement:+.1%}") if finding.improvement is not None else "undefined"
    small = abs(finding.improvement or 0.0) < report.seed_noise
    behind, short = _errors(pair, finding)
    moved = f"{_told(abs(behind))}{aside}"
    if finding.blocks:
        yield Mover("worse", str(finding.slice), gain, moved, behind, small)
    elif behind > 0 and short < _NEAR:
        yield Mover("near", str(finding.slice), gain, f"{moved}, {short:.1f} short of worse", -short, small)
    elif gate.name == CHAMPION and finding.high is not None and finding.high < 0:
        yield Mover("near", str(finding.slice), gain, f"{moved}, not shown worse", -short, small)
    elif gate.name == CHAMPION and finding.decision == "better":
        yield Mover("better", str(finding.slice), gain, moved, -behind)


def _errors(pair: Comparison, finding: SliceFinding) -> tuple[float, float]:
    """How far the candidate is behind, and how far that is short of worse, in standard errors."""
    if pair.log_ratio is None or not pair.standard_error or finding.detectable is None:
        return 0.0, 0.0  # an evaluation without chance, such as of two equal models
    # detectable = −(e^x − 1), where x is the log ratio from which on the slice is worse
    bound = log1p(-finding.detectable)
    return pair.log_ratio / pair.standard_error, (bound - pair.log_ratio) / pair.standard_error


def _level(report: EvaluationReport, finding: SliceFinding, gates: GatesConfig) -> Iterator[Mover]:
    """Of the calibration gate: how far a ratio is beyond its bound, or short of it."""
    ratio, error = finding.own, report.get(report.candidate, finding.slice).calibration_error
    if not ratio:
        yield Mover("worse", str(finding.slice), "calibration undefined", "no mean prediction", 0.0)
        return
    number = f"calibration {ratio:.2f}"
    bound = gates.calibration_low if ratio < 1.0 else gates.calibration_high
    out = max(log(gates.calibration_low / ratio), log(ratio / gates.calibration_high))
    beyond = out / error if error else (0.0 if out > 0.0 else -_NEAR)
    words = f"{_told(abs(beyond))} {'beyond' if out > 0.0 else 'inside'} {bound:g}"
    if finding.blocks:
        yield Mover("worse", str(finding.slice), number, words, beyond)
    elif beyond > -_NEAR:
        yield Mover("near", str(finding.slice), number, words, beyond)


def _told(errors: float) -> str:
    return f"{errors:.1f} standard errors"
