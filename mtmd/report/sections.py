"""What the sections of a run say of its decision: gates, rivals, rank buckets and calibration."""

from collections.abc import Iterable, Iterator, Sequence
from math import log

from mtmd.config import GatesConfig
from mtmd.evaluate.on_actions import calibration_interval
from mtmd.evaluate.report import EvaluationReport
from mtmd.promote.calibration_gate import calibration_findings
from mtmd.promote.cold import ColdFinding
from mtmd.promote.counts import COUNTING, Tally, is_task
from mtmd.promote.gates import CHAMPION, RIVALS, Verdict
from mtmd.promote.slice_gates import GateResult, SliceFinding
from mtmd.report.charts import strip
from mtmd.report.document import Block, Fold, Item, Items, Kind, Picture, Section
from mtmd.report.evaluation import (
    buckets_table,
    explored_table,
    gains_table,
    metrics_table,
    new_values_table,
    rivals_table,
    tasks_table,
)
from mtmd.report.standing import rivals_of, worth
from mtmd.report.tables import Column, Table, columns_of
from mtmd.report.text import minus, number, short, traffic

_DETAIL = 240  # characters of what a gate says of slices that a table has


def gates(verdict: Verdict, report: EvaluationReport) -> Section:
    """Every gate, failed ones first, with the slices that block; then slices that had too little data."""
    listed = sorted(verdict.gates, key=lambda gate: gate.passed)
    items = [_gate(gate) for gate in listed]
    if verdict.refusal:
        items.append(Item("held", "promotion", verdict.refusal))
    blocks: list[Block] = [Items(items)]
    blocks += [
        _findings(f"Slices that fail the gate {gate.name}", blocking, report)
        for gate in listed
        if (blocking := [finding for finding in gate.slices if finding.blocks])
    ]
    for gate in listed:
        others = [one for one in gate.slices if one.judged and not one.blocks]
        if gate.name in RIVALS and gate.slices:
            title = f"Gate {gate.name}, slice by slice: {Tally.of(gate.slices).words}"
            blocks.append(Fold(title, [_findings("", others, report), *_unjudged(gate)]))
    return Section(
        anchor="gates",
        title="Gates",
        order=10,
        lead=verdict.tally,
        kind="bad" if verdict.failed else "good",
        blocks=blocks,
        how="Worse: significantly worse than the rival by more than the gate's tolerance; better: the interval of "
        "the difference is above zero. The smallest loss is the one that would have been found in this slice. "
        f"A gate that had nothing to judge is not applicable. {COUNTING}",
    )


def _gate(gate: GateResult) -> Item:
    kind: Kind = {"pass": "good", "fail": "bad"}.get(gate.result, "")  # type: ignore[assignment]
    if gate.result == "pass" and gate.words != "pass":
        kind = "held"
    # The slices that block are in a table of their own.
    detail = short(gate.detail, _DETAIL) if any(finding.blocks for finding in gate.slices) else gate.detail
    return Item(kind, gate.name, f"{gate.words}, {detail}")


def _unjudged(gate: GateResult) -> Iterator[str]:
    if gate.unjudged:
        yield f"Not enough data: {', '.join(str(one.slice) for one in gate.unjudged)}."


def _findings(title: str, findings: Iterable[SliceFinding], report: EvaluationReport) -> Table:
    """What a gate said of each slice; a calibration has no improvement."""
    rows = []
    for one in findings:
        share = "" if is_task(one.slice) else traffic(report, one.slice)
        bounds = "" if one.low is None or one.high is None else f" [{one.low:+.1%}, {one.high:+.1%}]"
        gain = None if one.improvement is None else minus(f"{one.improvement:+.1%}{bounds}")
        seen = None if one.detectable is None else number(-one.detectable, ".1%")
        decision = f"✗ {one.decision}" if one.blocks else one.decision
        rows.append((str(one.slice), share, one.reference, one.own, gain, decision, seen))
    columns = (
        *columns_of("text", ("slice", "traffic")),
        *columns_of("number", ("rival", "candidate", "difference")),
        Column(name="decision", kind="text"),
        Column(name="smallest loss"),
    )
    return Table(title=title, columns=columns, rows=tuple(rows))


def rivals(report: EvaluationReport, bounds: GatesConfig, cold: Sequence[ColdFinding] = ()) -> Section:
    """Against every rival, slice by slice, on what users did, and on values that are new."""
    blocks: list[Block] = [rivals_table(report, bounds), gains_table(report)]
    blocks.append(Fold("Every metric by task, beside the rivals", [tasks_table(report)]))
    blocks.append(Fold("Every metric by slice", [metrics_table(report)]))
    if cold:
        blocks.append(Fold("New ads, users and other values", [new_values_table(cold)]))
    if report.explored:
        blocks.append(Fold("Explored candidates", [explored_table(report)]))
    return Section(
        anchor="rivals",
        title="Against its rivals",
        order=30,
        lead=worth(report),
        blocks=blocks,
        how="LogMAE is the mean of |ln p̂ − ln teacher|; an improvement of 5% means that the candidate's is 5% lower "
        "than the rival's. Bold: the interval, from a paired bootstrap over requests, leaves zero out. Ahead and "
        f"behind also need {report.seed_noise:.0%} or more, as another training seed changes as much.",
    )


def buckets(report: EvaluationReport) -> Section:
    """Gains by rank bucket, over all tasks and task by task."""
    by_task = [buckets_table(report, rival) for rival in rivals_of(report)]
    return Section(
        anchor="buckets",
        title="By rank bucket",
        order=40,
        blocks=[buckets_table(report), Fold("Task by task", by_task)],
        how=f"Rows of each slice, cut by teacher score into {report.buckets} equal buckets. Bucket 0 has the highest "
        "scores: only the top buckets survive the cut of a funnel.",
    )


def calibration(report: EvaluationReport, bounds: GatesConfig) -> Section:
    """The level of every judged slice between its bounds, beside the champion's, and by rank bucket."""
    levels = {
        name: list(_levels(report, predictor, bounds))
        for name, predictor in (("candidate", report.candidate), ("champion", CHAMPION))
        if predictor in report.predictors
    }
    own = levels["candidate"]
    if not own:
        return Section("calibration", "Calibration", 70, ["No slice has the data to be judged."])
    ratios = [ratio for _, ratio, _ in own]
    limits = bounds.calibration_low, bounds.calibration_high
    dots = {
        name: [
            (ratio, "bad" if finding.blocks else "good", f"{finding.slice}: {words}")
            for finding, ratio, words in found
        ]
        for name, found in levels.items()
        if found
    }
    champion = {finding.slice: words for finding, _, words in levels.get("champion", [])}
    table = Table(
        title=f"Mean prediction / mean teacher, bounds {limits[0]:g} to {limits[1]:g}, furthest from 1 first",
        columns=columns_of("text", ("slice", "candidate", "champion", "decision")),
        rows=tuple(
            (
                str(one.slice),
                words,
                champion.get(one.slice),
                f"✗ {one.decision}" if one.blocks else one.decision,
            )
            for one, _, words in sorted(own, key=lambda level: -abs(log(level[1])))
        ),
    )
    label = f"Calibration of {len(own)} slices between {limits[0]:g} and {limits[1]:g}"
    return Section(
        anchor="calibration",
        title="Calibration",
        order=70,
        lead=f"{min(ratios):.2f} to {max(ratios):.2f} in {len(own)} judged slices",
        kind="bad" if any(finding.blocks for finding, _, _ in own) else "good",
        blocks=[Picture(strip(dots, limits, label), label), Fold("Slice by slice", [table])],
        how="A dot is a slice; inside the shaded bounds the level of its predictions is accepted. Outside of them a "
        "slice fails only where chance does not explain it.",
    )


def _levels(
    report: EvaluationReport, predictor: str, bounds: GatesConfig
) -> Iterator[tuple[SliceFinding, float, str]]:
    """What the gate's rule says of each judged slice, its ratio, and `1.10 [1.02, 1.19]`."""
    for finding in calibration_findings(report, predictor, bounds):
        metrics = report.get(predictor, finding.slice)
        if finding.judged and (ratio := metrics.teacher_calibration):
            found = calibration_interval(metrics, report.confidence)
            yield finding, ratio, f"{ratio:.2f}" + (f" [{found[0]:.2f}, {found[1]:.2f}]" if found else "")
