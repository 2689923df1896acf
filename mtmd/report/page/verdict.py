"""The verdict: what came of the run, gate by gate, and slice by slice against the champion and the baselines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf, log

from markupsafe import Markup

from mtmd.config import Slice
from mtmd.extract.shards import Days
from mtmd.promote.gates import RIVALS, Verdict
from mtmd.promote.slice_gates import P_SHOWN, GateResult, SliceFinding
from mtmd.report.page.charts import frame, line, minus, text
from mtmd.report.page.first_screen import odd_day

_WIDTH, _HEIGHT, _PAD = 240, 18, 6
_LISTED = (*RIVALS, "calibration")  # gates whose slices are listed elsewhere on the page
_CLIP = 0.6  # a bar ends here: one odd small slice must not flatten the others


@dataclass(frozen=True)
class RivalTable:
    """A gate against a rival: its judged slices with their bars, the other slices, and the scale of the bars."""

    gate: GateResult
    rows: tuple[tuple[SliceFinding, Markup], ...]
    unjudged: tuple[Slice, ...]
    axis: Markup

    @property
    def has_p(self) -> bool:
        """Whether a p-value of some slice tells something."""
        return any(finding.p is not None and finding.p < P_SHOWN for finding, _ in self.rows)


@dataclass(frozen=True)
class Headline:
    """Promoted or not; its class; and what qualifies it: the champion's own fault, or what a promotion rests on less.

    The class is good, bad, or held where a passed candidate stays down all the same.
    """

    words: str
    kind: str
    but: str = ""

    @property
    def whole(self) -> str:
        return f"{self.words}; {self.but}" if self.but else self.words


def headline(verdict: Verdict, live: str | None, days: Days, champion_too: str = "") -> Headline:
    """What came of the run; `live` is the champion after it.

    `champion_too` says that the champion is as far out of calibration as the candidate, where that is so.
    """
    if verdict.promoted:
        but = "; ".join(filter(None, (champion_too, odd_day(days), verdict.unjudged)))
        return (
            Headline("Promoted by override", "held", but)
            if verdict.failed
            else Headline("Promoted", "good", but)
        )
    kind = "held" if verdict.passed else "bad"
    if verdict.promotion is not None:
        return Headline("Promoted before, and that stands", kind, champion_too)
    return Headline("Kept the champion" if live else "Nothing promoted", kind, champion_too)


def brief(words: str, gate: GateResult, most: int) -> str:
    """Text with at most `most` of the slices that the gate objects to, the worst first, and how many are left out."""
    offending = [finding for finding in gate.slices if finding.blocks]
    whole = "; ".join(map(str, offending))
    if len(offending) <= most or whole not in words:
        return words
    worst = sorted(offending, key=_badness, reverse=True)[:most]
    return words.replace(whole, "; ".join([*map(str, worst), f"and {len(offending) - most} more"]))


def _badness(finding: SliceFinding) -> float:
    """The loss against a rival; of calibration, how far the ratio is from 1."""
    if finding.improvement is not None:
        return -finding.improvement
    return abs(log(finding.own)) if finding.own else inf


def details(verdict: Verdict) -> Iterator[tuple[GateResult, str]]:
    """Each gate and its detail; short where a table has the slices."""
    for gate in verdict.gates:
        yield gate, brief(gate.detail, gate, 2 if gate.name in _LISTED else len(gate.slices))


def rival_tables(verdict: Verdict) -> Iterator[RivalTable]:
    """A table for each gate that compares slices with a rival."""
    for gate in verdict.gates:
        judged = [finding for finding in gate.slices if finding.judged]
        if judged and gate.name in RIVALS:
            scale = _scale(judged)
            yield RivalTable(
                gate=gate,
                rows=tuple((finding, _bar(finding, scale)) for finding in judged),
                unjudged=tuple(finding.slice for finding in gate.slices if not finding.judged),
                axis=_axis(scale),
            )


def _scale(judged: Sequence[SliceFinding]) -> tuple[float, float]:
    """Ends of the bars' axis; zero is inside."""
    numbers = (number for finding in judged for number in (finding.low, finding.high, finding.improvement))
    values = [number for number in numbers if number is not None]
    low, high = max(-_CLIP, min([0.0, *values])), min(_CLIP, max([0.0, *values]))
    return (low, high) if high - low > 1e-9 else (-0.01, 0.01)


def _x(value: float, scale: tuple[float, float]) -> float:
    share = (min(max(value, scale[0]), scale[1]) - scale[0]) / (scale[1] - scale[0])
    return _PAD + (_WIDTH - 2 * _PAD) * share


def _bar(finding: SliceFinding, scale: tuple[float, float]) -> Markup:
    middle, zero = _HEIGHT / 2, _x(0.0, scale)
    parts = [line((zero, 0), (zero, _HEIGHT), 'class="zero"')]
    if finding.low is not None and finding.high is not None:
        ends = (_x(finding.low, scale), middle), (_x(finding.high, scale), middle)
        parts.append(line(*ends, 'class="interval"'))
    if finding.improvement is not None:
        parts.append(f'<circle cx="{_x(finding.improvement, scale):.1f}" cy="{middle:.1f}" r="3.5"/>')
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
