"""The levels of all judged slices on one axis between their bounds, the candidate's above the champion's."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import log

from markupsafe import Markup

from mtmd.config import GatesConfig, Slice
from mtmd.evaluate.on_actions import Interval, calibration_interval
from mtmd.evaluate.report import EvaluationReport
from mtmd.promote.calibration_gate import calibration_findings
from mtmd.promote.gates import Verdict
from mtmd.promote.slice_gates import SliceFinding
from mtmd.report.page.charts import frame, line, text
from mtmd.report.traffic import traffic
from mtmd.report.trend import furthest

_CHAMPION = "champion"
_WIDTH, _LEFT, _RIGHT, _LANE = 520, 66, 14, 18


@dataclass(frozen=True)
class Level:
    """Mean prediction / mean teacher of one model in a slice, and whether the gate's rule calls it wrong."""

    slice: str
    ratio: float
    interval: Interval | None
    outside: bool
    wrong: bool
    traffic: str = ""

    @property
    def kind(self) -> str:
        return "bad" if self.wrong else "held" if self.outside else "good"

    @property
    def place(self) -> str:
        """Where the ratio is beside its bounds."""
        return "outside" if self.wrong else "outside by chance" if self.outside else "inside"

    @property
    def words(self) -> str:
        """`1.10 [1.02, 1.19]`"""
        interval = "" if self.interval is None else f" [{self.interval[0]:.2f}, {self.interval[1]:.2f}]"
        return f"{self.ratio:.2f}{interval}"


@dataclass(frozen=True)
class CalibrationView:
    """All judged slices on one axis between their bounds, and one by one, those furthest from 1 first.

    `champion` has the champion's level in the same slices, judged by the same rule; None where it was not compared.
    """

    words: str
    kind: str
    rows: tuple[tuple[Level, Level | None], ...] = ()
    svg: Markup | None = None
    champion_words: str = ""
    champion_kind: str = ""

    @property
    def champion_too(self) -> str:
        """That the champion is out of calibration where the candidate is; empty where it is not, or nothing is.

        `the champion is miscalibrated too, in 1 of these 2 slices (search × standard × ctr: 1.31, candidate 1.34)`
        """
        wrong = [(own, champion) for own, champion in self.rows if own.wrong]
        both = [(own, champion) for own, champion in wrong if champion is not None and champion.wrong]
        if not both:
            return ""
        part = "" if len(both) == len(wrong) else f", in {len(both)} of these {len(wrong)} slices"
        own, champion = both[0]
        numbers = f"{own.slice}: {champion.ratio:.2f}, candidate {own.ratio:.2f}"
        return f"the champion is miscalibrated too{part} ({numbers})"


def calibration_view(report: EvaluationReport, verdict: Verdict, gates: GatesConfig) -> CalibrationView:
    """What the calibration gate judged, and the champion on the same rows; says so where it could judge nothing."""
    findings = [finding for gate in verdict.gates if gate.name == "calibration" for finding in gate.slices]
    own = dict(_levels(report, report.candidate, findings, gates))
    if not own:
        return CalibrationView("not judged", "")
    champion: dict[Slice, Level] = {}
    if _CHAMPION in report.predictors:
        champion = dict(_levels(report, _CHAMPION, calibration_findings(report, _CHAMPION, gates), gates))
    order = sorted(own, key=lambda where: -abs(log(own[where].ratio)))
    return CalibrationView(
        words=f"{_span(own.values())} in {len(own)} judged slices",
        kind=_kind(own.values()),
        rows=tuple((own[where], champion.get(where)) for where in order),
        svg=Markup(_strip([own[where] for where in order], list(champion.values()), gates)),
        champion_words=_span(champion.values()) if champion else "",
        champion_kind=_kind(champion.values()),
    )


def _levels(
    report: EvaluationReport, predictor: str, findings: Sequence[SliceFinding], gates: GatesConfig
) -> Iterator[tuple[Slice, Level]]:
    for finding in findings:
        metrics = report.get(predictor, finding.slice)
        ratio = metrics.teacher_calibration
        if finding.judged and ratio:
            outside = not gates.calibration_low <= ratio <= gates.calibration_high
            interval = calibration_interval(metrics, report.confidence)
            share = traffic(report, finding.slice)
            yield finding.slice, Level(str(finding.slice), ratio, interval, outside, finding.blocks, share)


def _span(levels: Iterable[Level]) -> str:
    ratios = [level.ratio for level in levels]
    return f"{min(ratios):.2f} to {max(ratios):.2f}"


def _kind(levels: Iterable[Level]) -> str:
    return "bad" if any(level.wrong for level in levels) else "good"


def _strip(own: Sequence[Level], champion: Sequence[Level], gates: GatesConfig) -> str:
    """A logarithmic axis with 1 in its middle, the bounds shaded: a dot for each slice, in a lane for each model."""
    bounds = gates.calibration_low, gates.calibration_high
    reach = 1.08 * abs(log(furthest([*bounds, *(level.ratio for level in (*own, *champion))])))
    reach = min(reach, log(10.0))

    def x(ratio: float) -> float:
        inside = min(max(log(ratio), -reach), reach)
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (inside + reach) / (2 * reach)

    low, high = x(bounds[0]), x(bounds[1])
    bottom = 4 + _LANE * (2 if champion else 1)
    parts = [
        f'<rect x="{low:.1f}" y="4" width="{high - low:.1f}" height="{bottom - 4}" class="inside"/>',
        line((x(1.0), 2), (x(1.0), bottom + 2), 'class="zero"'),
    ]
    for lane, (name, levels) in enumerate((("candidate", own), (_CHAMPION, champion))):
        middle = 4 + _LANE * (lane + 0.5)
        parts += [text(0, middle + 4, name, size=11)] if levels else []
        parts += [_dot(x(level.ratio), middle, level) for level in reversed(levels)]
    labels = list(zip(bounds, (low, high), strict=True))
    if high - low > 120:
        labels.append((1, x(1.0)))
    parts += [text(at, bottom + 16, f"{bound:g}", "middle", size=11) for bound, at in labels]
    words = f"Calibration of {len(own)} slices{', and the champion' if champion else ''}; bounds {bounds[0]:g} and "
    return frame(_WIDTH, bottom + 20, *parts, label=f"{words}{bounds[1]:g}")


def _dot(x: float, y: float, level: Level) -> str:
    said = escape(f"{level.slice}: {level.words}")
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" class="{level.kind}"><title>{said}</title></circle>'
