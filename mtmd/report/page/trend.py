"""The last runs as small lines: LogMAE, calibration, AUC, rows and training seconds, and what came of each run.

A dot is a promoted run and a ring one that kept the champion; a cross below is a day that the suites stopped, and an
arrow above a model that was rolled back later. Shapes tell them apart, colours only help. Bounds are dashed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape

from markupsafe import Markup

from mtmd.config import GatesConfig
from mtmd.report.page.charts import Point, frame, line, minus, polyline, stretches
from mtmd.report.trend import TrendPoint

_WIDTH, _HEIGHT, _SIDE, _TOP, _BOTTOM = 250, 74, 7, 14, 13
_STOPPED = "stopped by the data suites"
Value = float | None


@dataclass(frozen=True)
class Series:
    """One line: a value for each run, None where there is none; `kind` is its CSS class."""

    values: tuple[Value, ...]
    kind: str = "own"
    marked: bool = True


@dataclass(frozen=True)
class Sparkline:
    """A drawing with its name, the latest value, and the range over the runs, in words."""

    name: str
    latest: str
    span: str
    svg: Markup
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Quantity:
    name: str
    words: Callable[[float], str]
    series: tuple[Series, ...]
    bounds: tuple[float, ...] = ()
    tasks: tuple[str, ...] = field(default=())


def sparklines(points: Sequence[TrendPoint], gates: GatesConfig) -> Iterator[Sparkline]:
    """One for each number of a run; nothing without runs."""
    if points:
        for quantity in _quantities(points, gates):
            yield _sparkline(quantity, points)


def _quantities(points: Sequence[TrendPoint], gates: GatesConfig) -> Iterator[_Quantity]:
    def of(value: Callable[[TrendPoint], Value], kind: str = "own", marked: bool = True) -> Series:
        return Series(tuple(map(value, points)), kind, marked)

    number: Callable[[float], str] = "{:.3f}".format
    bound = of(lambda point: point.bound, "bound", False)
    yield _Quantity("LogMAE, all tasks", number, (of(lambda point: point.logmae), bound))
    low = of(lambda point: point.calibration[0] if point.calibration else None)
    high = of(lambda point: point.calibration[1] if point.calibration else None)
    limits = (gates.calibration_low, gates.calibration_high)
    yield _Quantity("calibration, least and most", "{:.2f}".format, (low, high), limits)
    tasks = tuple(dict.fromkeys(task for point in points for task in point.auc))
    lines = tuple(
        Series(tuple(point.auc.get(task) for point in points), f"t{place % 6}")
        for place, task in enumerate(tasks)
    )
    yield _Quantity("AUC on actions", number, lines, tasks=tasks)
    yield _Quantity("rows in the window", "{:,.0f}".format, (of(lambda point: point.rows),))
    yield _Quantity("training seconds", "{:,.0f}".format, (of(lambda point: point.training_seconds),))


def _sparkline(quantity: _Quantity, points: Sequence[TrendPoint]) -> Sparkline:
    marked = [series for series in quantity.series if series.marked]
    values = [value for series in marked for value in series.values if value is not None]
    if not values:
        return Sparkline(quantity.name, "not recorded", "", Markup(""))
    latest = [series.values[-1] for series in marked]
    words = [minus(quantity.words(value)) for value in latest if value is not None]
    least, most = (minus(quantity.words(value)) for value in (min(values), max(values)))
    return Sparkline(
        name=quantity.name,
        latest=" · ".join(words) or "–",
        span=f"{least} to {most}" if least != most else f"always {least}",
        svg=Markup(_draw(quantity, points)),  # its texts are escaped
        tasks=quantity.tasks,
    )


def _draw(quantity: _Quantity, points: Sequence[TrendPoint]) -> str:
    scale = _Scale.of(quantity, len(points))
    parts = [
        line((_SIDE, scale.y(bound)), (_WIDTH - _SIDE, scale.y(bound)), 'class="bound"')
        for bound in quantity.bounds
    ]
    for series in quantity.series:
        parts += [polyline(run, f'class="{series.kind}"') for run in _runs(series.values, scale)]
    for place, point in enumerate(points):
        parts.append(_marks(quantity, place, point, scale))
    return frame(_WIDTH, _HEIGHT, *parts, label=f"{quantity.name}, the last {len(points)} runs")


def _marks(quantity: _Quantity, place: int, point: TrendPoint, scale: "_Scale") -> str:
    """A run's marks, with its day and what came of it for whoever points at them."""
    x, drawn, said = scale.x(place), [], []
    for series in quantity.series:
        value = series.values[place]
        if value is not None and series.marked:
            drawn.append(
                f'<circle cx="{x:.1f}" cy="{scale.y(value):.1f}" r="{2 if point.verdict == "promoted" else 3}"/>'
            )
            said.append(minus(quantity.words(value)))
    if point.verdict == "stopped":
        y = _HEIGHT - 5
        drawn += [line((x - 3, y - 3), (x + 3, y + 3), ""), line((x - 3, y + 3), (x + 3, y - 3), "")]
    if point.rolled_back:
        drawn.append(f'<path d="M{x - 4:.1f} 2h8l-4 7z"/>')
    kind = f"{point.verdict} down" if point.rolled_back else point.verdict
    return f'<g class="{kind}"><title>{escape(_words(point, said))}</title>{"".join(drawn)}</g>'


def _words(point: TrendPoint, values: Sequence[str]) -> str:
    what = {"promoted": "promoted", "kept": "not promoted", "stopped": _STOPPED}[point.verdict]
    what += ", rolled back later" if point.rolled_back else ""
    reason = f" ({point.reason})" if point.reason else ""
    return f"{point.as_of}: {', '.join([what + reason, *values])}"


def _runs(values: Sequence[Value], scale: "_Scale") -> Iterator[list[Point]]:
    """Stretches of neighbouring values; a run without one leaves a gap."""
    for stretch in stretches(values):
        if len(stretch) > 1:
            yield [(scale.x(place), scale.y(value)) for place, value in stretch]


@dataclass(frozen=True)
class _Scale:
    """Where a run and a value are drawn."""

    low: float
    high: float
    count: int

    @classmethod
    def of(cls, quantity: _Quantity, count: int) -> "_Scale":
        values = [value for series in quantity.series for value in series.values if value is not None]
        low, high = min([*values, *quantity.bounds]), max([*values, *quantity.bounds])
        least = 0.02 * max(abs(low), abs(high), 1e-9)  # a line that hardly moves is drawn flat
        spare = max(0.0, least - (high - low)) / 2
        return cls(low - spare, high + spare, count)

    def x(self, place: int) -> float:
        return _SIDE + (_WIDTH - 2 * _SIDE) * ((place + 0.5) / self.count)

    def y(self, value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - (value - self.low) / (self.high - self.low))
