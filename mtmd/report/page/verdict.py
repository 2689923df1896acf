"""The verdict: what came of the run, gate by gate, and slice by slice against the champion and the baselines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from mtmd.promote.gates import RIVALS, Verdict
from mtmd.promote.slice_gates import GateResult, SliceFinding
from mtmd.report.page.charts import decimal, frame, line, minus, percent, text

_WIDTH, _HEIGHT, _PAD = 240, 18, 6
_CLIP = 0.6  # a bar ends here: one odd small slice must not flatten the others
_CLASSES = {"better": "good", "worse": "bad"}


@dataclass(frozen=True)
class Headline:
    """A few words that say it all, and their class: good, bad or held."""

    words: str
    kind: str


@dataclass(frozen=True)
class RivalRow:
    """One slice against a rival, as texts; `interval` is drawn in `bar`."""

    slice: str
    whole: bool
    reference: str
    own: str
    difference: str
    interval: str
    p: str
    detectable: str
    decision: str
    kind: str
    bar: Markup


@dataclass(frozen=True)
class RivalTable:
    """A gate against a rival: its judged slices, the others' names, and the scale of the bars."""

    gate: GateResult
    rows: tuple[RivalRow, ...]
    unjudged: tuple[str, ...]
    axis: Markup


def headline(verdict: Verdict, live: str | None) -> Headline:
    """Promoted or not; a candidate that passed and stays down for another reason is held."""
    if verdict.promoted:
        return Headline("Promoted by override", "held") if verdict.failed else Headline("Promoted", "good")
    kind = "held" if verdict.passed else "bad"
    if verdict.promotion is not None:
        return Headline("Promoted before, and that stands", kind)
    return Headline("Kept the champion" if live else "Nothing promoted", kind)


def brief(words: str, gate: GateResult, most: int) -> str:
    """Text with at most `most` of the slices that the gate objects to, the worst first, and how many are left out."""
    offending = [one for one in gate.slices if one.blocks]
    whole = "; ".join(map(str, offending))
    if len(offending) <= most or whole not in words:
        return words
    worst = sorted(offending, key=lambda one: one.improvement or 0.0)[:most]
    return words.replace(whole, "; ".join([*map(str, worst), f"and {len(offending) - most} more"]))


def details(verdict: Verdict) -> Iterator[tuple[GateResult, str]]:
    """Each gate and its detail; short where a table has the slices."""
    for gate in verdict.gates:
        yield gate, brief(gate.detail, gate, 2 if gate.name in RIVALS else len(gate.slices))


def rival_tables(verdict: Verdict) -> Iterator[RivalTable]:
    """A table for each gate that compares slices with a rival."""
    for gate in verdict.gates:
        judged = [one for one in gate.slices if one.judged]
        if judged and gate.name in RIVALS:
            scale = _scale(judged)
            yield RivalTable(
                gate=gate,
                rows=tuple(_row(one, scale) for one in judged),
                unjudged=tuple(_name(one) for one in gate.slices if not one.judged),
                axis=_axis(scale),
            )


def _name(one: SliceFinding) -> str:
    return f"{one.surface} × {one.product} × {one.task}"


def _row(one: SliceFinding, scale: tuple[float, float]) -> RivalRow:
    interval = "" if one.low is None or one.high is None else f"[{100 * one.low:+.1f}, {100 * one.high:+.1f}]"
    return RivalRow(
        slice=_name(one),
        whole=one.surface == "all",
        reference=decimal(one.reference),
        own=decimal(one.own),
        difference=percent(one.improvement),
        interval=minus(interval),
        p="–" if one.p is None else "< 0.0001" if one.p < 1e-4 else f"{one.p:.2g}",
        detectable=percent(one.detectable),
        decision=one.decision,
        kind=_CLASSES.get(one.decision, ""),
        bar=_bar(one, scale),
    )


def _scale(judged: Sequence[SliceFinding]) -> tuple[float, float]:
    """Ends of the bars' axis; zero is inside."""
    values = [value for one in judged for value in (one.low, one.high, one.improvement) if value is not None]
    low, high = max(-_CLIP, min([0.0, *values])), min(_CLIP, max([0.0, *values]))
    return (low, high) if high - low > 1e-9 else (-0.01, 0.01)


def _x(value: float, scale: tuple[float, float]) -> float:
    share = (min(max(value, scale[0]), scale[1]) - scale[0]) / (scale[1] - scale[0])
    return _PAD + (_WIDTH - 2 * _PAD) * share


def _bar(one: SliceFinding, scale: tuple[float, float]) -> Markup:
    middle, zero = _HEIGHT / 2, _x(0.0, scale)
    parts = [line((zero, 0), (zero, _HEIGHT), 'class="zero"')]
    if one.low is not None and one.high is not None:
        ends = (_x(one.low, scale), middle), (_x(one.high, scale), middle)
        parts.append(line(*ends, 'class="interval"'))
    if one.improvement is not None:
        parts.append(f'<circle cx="{_x(one.improvement, scale):.1f}" cy="{middle:.1f}" r="3.5"/>')
    return Markup(frame(_WIDTH, _HEIGHT, *parts))


def _axis(scale: tuple[float, float]) -> Markup:
    """Ends and zero of the bars, without a label that another would overlap."""
    zero = _x(0.0, scale)
    parts = [text(zero, 13, "0", "middle", size=11)]
    if zero - _PAD > 40:
        parts.append(text(_PAD, 13, minus(f"{scale[0]:+.0%}"), "start", size=11))
    if _WIDTH - _PAD - zero > 40:
        parts.append(text(_WIDTH - _PAD, 13, minus(f"{scale[1]:+.0%}"), "end", size=11))
    return Markup(frame(_WIDTH, _HEIGHT, *parts))
