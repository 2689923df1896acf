"""What the sections of a run say of its decision: gates, rivals and rank buckets."""

from collections.abc import Iterable

from mtmd.evaluate.metrics import PAIRED, applies
from mtmd.evaluate.report import ALL, EVERYTHING, EvaluationReport
from mtmd.promote.findings import GateResult, SliceFinding, Verdict, tally
from mtmd.report import evaluation
from mtmd.report.document import Block, Fold, Item, Items, Kind, Section
from mtmd.report.tables import Column, Table, columns_of, minus, number, short
from mtmd.run import Race

_WINNERS = (
    "Recall: by a task's score, the share of the heavyweight ranker's top ads of a request that a cut keeps; requests "
    "that it makes no smaller are left out. KL is Bernoulli KL(teacher ‖ p̂) in nats. "
)
_GATES = (
    "Worse: significantly worse than the rival by more than the gate's tolerance; better: the interval of the "
    "difference is above zero. The smallest loss is the one that would have been found in this slice. A gate that had "
    "nothing to judge is not applicable. Counts are of slices, a surface × a product × a task each; a task over all "
    "its slices is judged too."
)
_DETAIL = 240  # characters of what a gate says of slices that a table has


def gates(verdict: Verdict, report: EvaluationReport) -> Section:
    """The figures, and every gate, failed ones first, with the slices that block or had too little data."""
    listed = sorted(verdict.gates, key=lambda gate: gate.passed)
    items = [_gate(gate) for gate in listed]
    if verdict.refusal:
        items.append(Item("held", "promotion", verdict.refusal))
    blocks: list[Block] = [evaluation.first_table(report), Items(items)]
    blocks += [
        _findings(f"Slices that fail the gate {gate.name}", blocking)
        for gate in listed
        if (blocking := [finding for finding in gate.slices if finding.blocks])
    ]
    for gate in listed:
        others = [one for one in gate.slices if one.judged and not one.blocks]
        if others and gate.name != "training":  # the constant is a floor
            title = f"Gate {gate.name}, slice by slice: {tally(gate.slices)}"
            unjudged = ", ".join(str(one.slice) for one in gate.unjudged)
            more = [f"Not enough data: {unjudged}."] if unjudged else []
            blocks.append(Fold(title, [_findings("", others), *more]))
    return Section(
        anchor="gates",
        title="Gates",
        order=10,
        lead=verdict.tally + (f"; refused: {verdict.refusal.partition(';')[0]}" if verdict.refusal else ""),
        kind="bad" if verdict.failed else "held" if verdict.refusal else "good",
        blocks=blocks,
        how=f"{evaluation.measures(report)} {_WINNERS if 'scores' in report.sources(ALL) else ''}{_GATES}",
    )


def _gate(gate: GateResult) -> Item:
    kind: Kind = {"pass": "good", "fail": "bad"}.get(gate.result, "")  # type: ignore[assignment]
    if gate.result == "pass" and gate.words != "pass":
        kind = "held"
    # The slices that block are in a table of their own.
    detail = short(gate.detail, _DETAIL) if any(finding.blocks for finding in gate.slices) else gate.detail
    return Item(kind, gate.name, f"{gate.words}, {detail}")


def _findings(title: str, findings: Iterable[SliceFinding]) -> Table:
    """What a gate said of each slice; a calibration has no improvement."""
    rows = []
    for one in findings:
        bounds = "" if one.low is None or one.high is None else f" [{one.low:+.1%}, {one.high:+.1%}]"
        gain = None if one.improvement is None else minus(f"{one.improvement:+.1%}{bounds}")
        seen = None if one.detectable is None else number(-one.detectable, ".1%")
        decision = f"✗ {one.decision}" if one.blocks else one.decision
        rows.append((str(one.slice), one.reference, one.own, gain, decision, seen))
    columns = (
        Column(name="slice", kind="text"),
        *columns_of("number", ("rival", "candidate", "difference")),
        Column(name="decision", kind="text"),
        Column(name="smallest loss"),
    )
    return Table(title=title, columns=columns, rows=tuple(rows))


def race(found: Race | None) -> list[Section]:
    """The contestants on the days before, and which of them is the day's candidate; nothing without contestants."""
    if found is None:
        return []
    days = [(f"{day}", *(errors[name] for name in found.contestants)) for day, errors in found.days.items()]
    mean = ("mean", *(found.mean(name) for name in found.contestants))
    columns = (Column(name="held-out day", kind="text"), *columns_of("number", found.contestants))
    section = Section(
        anchor="race",
        title="The candidate's choice",
        order=25,
        lead=found.words,
        blocks=[Table(title="", columns=columns, rows=(mean, *days))],
        how="Earlier held-out days choose which of the day's models is the candidate; its own day never does. A day "
        "counts where it has numbers of all contestants with today's settings. The gates judge the candidate as ever.",
    )
    return [section]


def rivals(report: EvaluationReport) -> Section:
    """Against every rival, slice by slice, and on what users did."""
    error, noise = evaluation.error_words(report), evaluation.noise_words(report)
    blocks: list[Block] = [evaluation.rivals_table(report), evaluation.gains_table(report)]
    winners = [metric for metric in PAIRED if metric.name in ("recall", "winner_kl")]
    if applies(winners[0], report, EVERYTHING):
        blocks.append(
            Fold("Recall and KL of winners", [evaluation.rivals_table(report, one) for one in winners])
        )
    blocks.append(
        Fold("Every metric by slice, and by task beside the rivals", [evaluation.metrics_table(report)])
    )
    return Section(
        anchor="rivals",
        title="Against its rivals",
        order=30,
        lead=evaluation.worth(report),
        blocks=blocks,
        how=f"{evaluation.measures(report)} An improvement of 5% means that the candidate's {error} is 5% lower "
        "than the rival's. Bold: the interval, from a paired bootstrap over requests, leaves zero out. Ahead and "
        f"behind also need {noise} or more, as another training seed changes as much.",
    )


def buckets(report: EvaluationReport) -> Section:
    """Gains by rank bucket, over all tasks."""
    if report.sources(ALL) == {"actions"}:
        words = (
            "Buckets are cut by scores of all candidates. All tasks learn from actions, so there are none."
        )
        return Section(anchor="buckets", title="By rank bucket", order=40, blocks=[words])
    return Section(
        anchor="buckets",
        title="By rank bucket",
        order=40,
        blocks=[evaluation.buckets_table(report)],
        how=f"Rows of each slice, cut by teacher score into {report.buckets} equal buckets. Bucket 0 has the highest "
        "scores: only the top buckets survive the cut of a funnel.",
    )
