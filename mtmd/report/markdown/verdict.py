"""What people read of a decision: promoted or kept and why, a run that stopped before it, a rollback."""

import textwrap
from collections.abc import Iterator, Mapping
from datetime import date

from mtmd.evaluate.report import Estimate, EvaluationReport
from mtmd.promote.counts import Tally, counted, is_task
from mtmd.promote.gates import RIVALS
from mtmd.promote.rollback import Republished, RolledBack
from mtmd.promote.slice_gates import GateResult, SliceFinding
from mtmd.promote.stage import RunSummary
from mtmd.report.markdown.fitting import fitted
from mtmd.report.markdown.metrics import by_task
from mtmd.report.markdown.plain import block, code, plain
from mtmd.report.markdown.times import stage_words
from mtmd.report.standing import top_words
from mtmd.report.tables.buckets import rivals_by_bucket
from mtmd.report.tables.cold import cold_gate_table, cold_words
from mtmd.report.tables.evaluation import SLICE_COLUMNS, Column, Table, columns_of
from mtmd.report.traffic import traffic

_CODE_CHARACTERS = 84  # in a line of a block of code, in a window of 1,024 px


def verdict(summary: RunSummary, seconds: Mapping[str, float] | None = None) -> str:
    """The words, the gates with those that failed first, slices that stand out; then tables, and where things are.

    `seconds` says how long each stage of the run took.
    """
    gates = sorted(summary.verdict.gates, key=lambda gate: gate.passed)
    lines = [
        f"## {_mark(summary)} {'; '.join(filter(None, (plain(summary.words), _but(summary))))}",
        "",
        f"as_of {summary.as_of} · candidate `{summary.model_id}` · live now: "
        + (f"`{summary.champion}`" if summary.champion else "nothing"),
        "",
        top_words(summary.report),
        "",
        *(
            ["An earlier run took this decision; its record and its page stay.", ""]
            if summary.repeated
            else []
        ),
        *((f"Its training: {plain(summary.start)}.", "") if summary.start else ()),
        *((f"Time: {stage_words(seconds)}.", "") if seconds else ()),
        # Lists: the UI does not wrap what is in a table, and the detail of a gate is a sentence.
        f"**Gates: {summary.verdict.tally}**",
        "",
        *(f"- {_gate(gate)}" for gate in gates),
        "",
        *(line for gate in gates for line in _standing_out(gate, summary.report)),
        *_cold(summary),
        fitted(rivals_by_bucket(summary.report)),
        fitted(by_task(summary.report), len(SLICE_COLUMNS)),
        *(line for gate in gates for line in _rivals(gate)),
        *(f"- {name}: {code(place)}" for name, place in summary.places.items()),
        "",
        "Taken from earlier runs: "
        + ", ".join(f"{name} {share}" for name, share in summary.reused.items())
        + ".",
        "",
    ]
    return "\n".join(lines)


def _but(summary: RunSummary) -> str:
    """What a promotion rests on less than usual."""
    return summary.verdict.unjudged if summary.promoted and summary.verdict.promoted else ""


def _mark(summary: RunSummary) -> str:
    """✓ where the candidate is live, ✗ where a gate failed, ○ where it was held back otherwise."""
    if summary.promoted:
        return "✓"
    return "✗" if summary.verdict.failed else "○"


def _gate(gate: GateResult) -> str:
    mark, result = {"pass": ("✓", gate.words), "fail": ("✗", "**fail**")}.get(gate.result, ("–", gate.result))
    return f"{mark} **{gate.name}**: {result}, {plain(gate.detail)}"


def _standing_out(gate: GateResult, report: EvaluationReport) -> Iterator[str]:
    """Of a gate about slices: how many are better and worse, and the slices and tasks that block."""
    if gate.name not in RIVALS or not gate.slices:
        return
    tasks = [finding for finding in gate.slices if is_task(finding.slice) and finding.decision == "worse"]
    worse = f"; {counted(tasks, gate.slices)} worse" if tasks else ""
    yield f"**{gate.name}**: {Tally.of(gate.slices).words}{worse}."
    yield ""
    if blocking := [finding for finding in gate.slices if finding.blocks]:
        yield _slices(f"✗ {gate.name}: slices that block", gate.name, blocking, report)
    if unjudged := [str(finding.slice) for finding in gate.slices if not finding.judged]:
        yield from (f"Not enough data: {', '.join(unjudged)}.", "")


def _rivals(gate: GateResult) -> Iterator[str]:
    """Slice by slice, what a gate said of the candidate against a rival; nothing for the other gates."""
    compared = [finding for finding in gate.slices if finding.judged]
    if compared and gate.name in RIVALS:
        yield _slices(
            f"{gate.name}: LogMAE by slice, and how much better the candidate is", gate.name, compared
        )


def _slices(
    title: str, rival: str, findings: list[SliceFinding], report: EvaluationReport | None = None
) -> str:
    """With `report` the traffic of each slice stands beside its name."""
    table = Table(
        title=title,
        columns=(
            *columns_of("text", ("slice",)),
            *columns_of("number", (f"{rival} → candidate",)),
            Column(name="difference", kind="estimate"),
            *columns_of("text", ("decision",)),
            Column(name="smallest loss detected"),
        ),
        rows=tuple(
            (
                _named(finding, report),
                f"{_number(finding.reference)} → {_number(finding.own)}",
                _difference(finding),
                f"**✗ {finding.decision}**" if finding.blocks else finding.decision,
                None if finding.detectable is None else f"{-finding.detectable:.1%}",
            )
            for finding in findings
        ),
    )
    return fitted(table)


def _named(finding: SliceFinding, report: EvaluationReport | None) -> str:
    share = "" if report is None or is_task(finding.slice) else traffic(report, finding.slice)
    return f"{finding.slice} ({share})" if share else str(finding.slice)


def _cold(summary: RunSummary) -> Iterator[str]:
    """What is known of rows with new values, and where they are worse; nothing where the day has none."""
    if found := summary.verdict.cold:
        yield from (cold_words(found), "")
        if worse := [finding for finding in found if finding.decision == "worse"]:
            table = cold_gate_table(worse)  # the last column says the same of each
            rows = tuple(row[:-1] for row in table.rows)
            shorter = {"title": "✗ Rows with new values: worse than a rival; information, no gate"}
            yield fitted(table.model_copy(update=shorter | {"columns": table.columns[:-1], "rows": rows}), 3)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _difference(finding: SliceFinding) -> Estimate | None:
    if finding.improvement is None:
        return None
    return Estimate(value=finding.improvement, low=finding.low, high=finding.high)


def stopped(as_of: date, words: str, live: str | None) -> str:
    """A run that ended before its decision was recorded; `live` is the champion afterwards."""
    return (
        "## ✗ Stopped before a decision was recorded\n\n"
        f"as_of {as_of} · live now: {f'`{live}`' if live else 'no model found'}\n\n"
        f"{block(_wrapped(words) or 'an error without words; see the log of the run')}\n\n"
        "Mend what it names, then run the day again: what is complete is reused."
    )


def _wrapped(words: str) -> str:
    """In lines that a block of code has room for: the UI wraps none. No word is broken: it may be a path."""
    wrapper = textwrap.TextWrapper(_CODE_CHARACTERS, break_long_words=False, break_on_hyphens=False)
    return "\n".join(wrapper.fill(line) for line in words.strip().splitlines())


def rollback(done: RolledBack, ads: Republished | None = None) -> str:
    """What was taken down, what is live, why, with which ads, and how the model could come back."""
    champion = done.champion
    further = f"`{done.further}`" if done.further else "nothing"
    return (
        f"## {done.words}\n\n"
        f"Reason: {plain(champion.change.reason)}\n\n"
        f"- live now: `{champion.model_id}`, as_of {champion.as_of}, sequence {champion.sequence}\n"
        f"- before it was flipped: {plain(done.check)}\n"
        f"- ads: {_ads(done, ads)}\n"
        f"- another rollback would go to {further}\n"
        f"- `{done.taken_down}` is not promoted again by a run of its day; "
        f"`mtmd reinstate {done.taken_down} --reason …` lets it come back\n"
    )


def _ads(done: RolledBack, ads: Republished | None) -> str:
    if ads is None:
        return f"at the flip, {done.ads_words}"
    return f"✗ **{plain(ads.words)}**" if ads.failed else plain(ads.words)
