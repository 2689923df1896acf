"""Calibration by slice: predicted against teacher and against actions, in rank buckets; small multiples, log axes."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from mtmd.config import Slice
from mtmd.evaluate.report import EvaluationReport, SliceMetrics
from mtmd.report.page.charts import FONT, Point, frame, line, polyline, text

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 190, 176, 34, 8, 8, 24
_AXES = "calibration-axes"


@dataclass(frozen=True)
class Bin:
    """One rank bucket of a slice, all in probabilities.

    predicted, teacher      means over the bucket's rows
    shown                   mean prediction over its impressions; None without an action there
    rate, low, high         share of impressions with the action, and its Wilson interval
    """

    predicted: float
    teacher: float
    shown: float | None
    rate: float
    low: float
    high: float


@dataclass(frozen=True)
class Panel:
    """One slice: its name, how far off its means are, and the drawing."""

    task: str
    name: str
    ratios: tuple[str, str]
    svg: Markup


@dataclass(frozen=True)
class Panels:
    """All panels, and the axes that each of them shows, drawn once: a page with many slices stays small."""

    axes: Markup
    panels: tuple[Panel, ...]


def panels(report: EvaluationReport) -> Panels:
    """One panel per slice with rows, the task's aggregate before its slices; all have the same axes."""
    bins = {at: slice_bins(report, at) for at in (*report.aggregates, *report.slices)}
    filled = {at: found for at, found in bins.items() if found}
    if not filled:
        return Panels(Markup(""), ())
    axis = _Axis.around([value for found in filled.values() for one in found for value in _values(one)])
    return Panels(Markup(_axes(axis)), tuple(_panels(report, axis, filled)))


def _panels(
    report: EvaluationReport, axis: "_Axis", filled: Mapping[Slice, Sequence[Bin]]
) -> Iterator[Panel]:
    for task in dict.fromkeys(at.task for at in filled):
        for at in (at for at in filled if at.task == task):
            name = f"{at.surface} × {at.product}"
            svg = Markup(_draw(axis, filled[at], f"{task}, {name}"))  # its texts are escaped
            yield Panel(task, name, _ratios(report.get(report.candidate, at)), svg)


def slice_bins(report: EvaluationReport, at: Slice) -> tuple[Bin, ...]:
    """The candidate's rank buckets that have rows, top first."""
    found = []
    for bucket in range(report.buckets):
        own = report.get(report.candidate, at, bucket)
        if own.mean_prediction is None or own.mean_teacher is None:
            continue
        rate = own.positives / own.impressions if own.impressions else 0.0
        low, high = wilson(own.positives, own.impressions, report.confidence)
        shown = None if own.calibration is None else own.calibration * rate
        found.append(Bin(own.mean_prediction, own.mean_teacher, shown, rate, low, high))
    return tuple(found)


def wilson(positives: int, trials: int, confidence: float) -> tuple[float, float]:
    """Wilson's score interval of a share; (0, 1) without trials."""
    if not trials:
        return 0.0, 1.0
    from scipy.stats import binomtest  # noqa: PLC0415 - it takes most of a second, and most runs make no new page

    interval = binomtest(positives, trials).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def _ratios(own: SliceMetrics) -> tuple[str, str]:
    def ratio(value: float | None) -> str:
        return "–" if value is None else f"{value:.2f}"

    return f"{ratio(own.teacher_calibration)} × teacher", f"{ratio(own.calibration)} × actions"


def _values(bucket: Bin) -> list[float]:
    actions = [] if bucket.shown is None else [bucket.shown, bucket.rate]
    return [bucket.predicted, bucket.teacher, *actions]


@dataclass(frozen=True)
class _Axis:
    """A logarithmic axis that both directions share."""

    low: float
    high: float

    @classmethod
    def around(cls, values: Sequence[float]) -> "_Axis":
        positive = [value for value in values if value > 0]
        return cls(min(positive) / 1.3, max(positive) * 1.3)

    def share(self, value: float) -> float:
        """0 at the low end, 1 at the high one; what lies outside is put on the edge."""
        inside = min(max(value, self.low), self.high)
        return math.log(inside / self.low) / math.log(self.high / self.low)

    def ticks(self) -> list[float]:
        """Decades, or 1-2-5 steps where fewer than two decades are inside."""
        exponents = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        decades = [10.0**e for e in exponents if self.low <= 10.0**e <= self.high]
        if len(decades) >= 2:
            return decades
        steps = [m * 10.0**e for e in exponents for m in (1, 2, 5)]
        return [step for step in steps if self.low <= step <= self.high]

    def point(self, x: float, y: float) -> Point:
        across, up = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
        return _LEFT + across * self.share(x), _TOP + up * (1.0 - self.share(y))


def _axes(axis: _Axis) -> str:
    """The lines and numbers that all panels share, for `<use>`."""
    parts = [line(axis.point(axis.low, axis.low), axis.point(axis.high, axis.high), 'class="ideal"')]
    for tick in axis.ticks():
        x, y = axis.point(tick, tick)
        parts += [
            line((_LEFT, y), (_WIDTH - _RIGHT, y), 'class="grid"'),
            line((x, _TOP), (x, _HEIGHT - _BOTTOM), 'class="grid"'),
            text(_LEFT - 4, y + 3, f"{100 * tick:g}%", "end", size=10),
            text(x, _HEIGHT - _BOTTOM + 13, f"{100 * tick:g}%", "middle", size=10),
        ]
    shared = f'<g id="{_AXES}">{"".join(parts)}</g>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" class="defs" {FONT} aria-hidden="true"><defs>{shared}</defs></svg>'


def _draw(axis: _Axis, bins: Sequence[Bin], label: str) -> str:
    """One path for all marks of a kind: with ten buckets and many slices the page stays small."""
    bars, boxes = [], []
    for one in bins:
        if one.shown is not None:
            x, y = axis.point(one.shown, one.rate)
            low, high = (axis.point(one.shown, end)[1] for end in (one.low, one.high))
            bars.append(f"M{x:.1f} {low:.1f}V{high:.1f}")
            boxes.append(f"M{x - 2.5:.1f} {y - 2.5:.1f}h5v5h-5z")
    teacher = [axis.point(one.predicted, one.teacher) for one in bins]
    dots = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in teacher)
    parts = [f'<use href="#{_AXES}"/>']
    if boxes:
        parts += [
            f'<path class="action" d="{"".join(bars)}"/>',
            f'<path class="action box" d="{"".join(boxes)}"/>',
        ]
    parts += [polyline(teacher, 'class="teacher"'), f'<path class="teacher dots" d="{dots}"/>']
    return frame(_WIDTH, _HEIGHT, *parts, label=f"Calibration of {label}")
