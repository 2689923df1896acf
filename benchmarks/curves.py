"""Lines through measured points over a logarithmic axis, as SVG: time of training, or rows."""

import math
from collections.abc import Mapping, Sequence

from mtmd.report.page.charts import INK, Point, frame, line, polyline, stroke_of, text

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 720, 320, 64, 150, 28, 40
_LETTER = 8  # pixels that a letter of a name takes at most


def curves(title: str, x_label: str, series: Mapping[str, Sequence[Point]]) -> str:
    """SVG text of a line per name through its points (x > 0, y), each point marked.

    Raises ValueError without points, or for an x that is not above 0.
    """
    points = [point for line_ in series.values() for point in line_]
    if not points or min(x for x, _ in points) <= 0:
        raise ValueError(f"chart {title!r} needs points, and every x above 0; it has {points}")
    x_low, x_high = _span([math.log10(x) for x, _ in points])
    y_low, y_high = _span([y for _, y in points])

    def place(point: Point) -> Point:
        across = (math.log10(point[0]) - x_low) / (x_high - x_low)
        down = (y_high - point[1]) / (y_high - y_low)
        return (
            _LEFT + (_WIDTH - _LEFT - _RIGHT) * across,
            _TOP + (_HEIGHT - _TOP - _BOTTOM) * down,
        )

    parts = [
        text(_LEFT, 16, title, bold=True),
        text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 6, x_label, "middle"),
    ]
    for y in _levels(y_low, y_high):
        height = place((10**x_low, y))[1]
        parts += [
            line((_LEFT, height), (_WIDTH - _RIGHT, height), f'stroke="{INK}" stroke-opacity="0.3"'),
            text(_LEFT - 6, height + 4, f"{y:.3g}", "end"),
        ]
    parts += [text(place((x, y_low))[0], _HEIGHT - 24, f"{x:,.0f}", "middle") for x in _ticks(x_low, x_high)]
    for number, (name, measured) in enumerate(series.items()):
        colour, stroke = stroke_of(number)
        places = [place(point) for point in sorted(measured)]
        label = _WIDTH - _RIGHT + 14.0, _TOP + 12.0 + 18 * number
        parts += [polyline(places, stroke), line(label, (label[0] + 20, label[1]), stroke)]
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places]
        parts.append(text(label[0] + 26, label[1] + 4, name))
    longest = max(len(name) for name in series) * _LETTER
    return frame(max(_WIDTH, _WIDTH - _RIGHT + 40 + longest), _HEIGHT, *parts, label=title)


def _span(values: Sequence[float]) -> Point:
    low, high = min(values), max(values)
    return (low, high) if high - low > 1e-9 else (low - 0.5, high + 0.5)


def _ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times the powers of ten between two logarithms; the ends where there are fewer than two."""
    inside = [
        factor * 10.0**power
        for power in range(math.floor(low), math.ceil(high) + 1)
        for factor in (1, 2, 5)
        if low <= math.log10(factor * 10.0**power) <= high
    ]
    return inside if len(inside) > 1 else [10**low, 10**high]


def _levels(low: float, high: float) -> list[float]:
    """Three to six round numbers between two others: multiples of 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(high - low))
    step = next(one * power for one in (0.2, 0.5, 1, 2) if (high - low) / (one * power) <= 5)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]
