"""A line chart as self-contained SVG, for pages and artifacts that must render without a network."""

import base64
from collections.abc import Iterator, Mapping, Sequence

from mtmd.report.tables import environment

_PAPER = '<style>svg { fill: #444c5a }</style><rect width="100%" height="100%" rx="6" fill="#ffffff"/>'
_COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#aa3377", "#66ccee")  # for most colour-blind readers
_DASHES = ("none", "8 4", "2 4")  # where all colours are taken, once more
_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = (
    340,
    56,
    332,
    12,
    190,
)  # px of the drawing, a phone's width, and of its axes

Line = Sequence[float | None]
_Point = tuple[float, float]


def line_chart(title: str, series: Mapping[str, Line], ends: tuple[str, str]) -> str:
    """SVG text of lines over evenly spaced places, with a gap where a value is None.

    `ends` names the first and the last place. Raises ValueError without values.
    """
    values = [value for points in series.values() for value in points if value is not None]
    if not values:
        raise ValueError(f"chart {title!r} has no values; give at least one series with a point")
    low, high = min(values), max(values)
    low, high = (low, high) if high - low > 1e-12 else (low - 0.5, high + 0.5)
    steps = max(1, *(len(points) - 1 for points in series.values()))

    def at(place: int, value: float) -> _Point:
        x = _LEFT + (_RIGHT - _LEFT) * place / steps
        return round(x, 1), round(_BOTTOM - (_BOTTOM - _TOP) * (value - low) / (high - low), 1)

    drawn = {name: [[at(*one) for one in part] for part in _stretches(line)] for name, line in series.items()}
    lines = [(name, _COLOURS[n % 6], _DASHES[n // 6 % 3], drawn[name]) for n, name in enumerate(series)]
    scale = [(at(0, tick)[1], f"{tick:.4g}") for tick in (low, (low + high) / 2, high)]
    height = _BOTTOM + 32 + 18 * len(lines)
    place = {"width": _WIDTH, "height": height, "left": _LEFT, "right": _RIGHT, "bottom": _BOTTOM}
    chart = environment().get_template("chart.svg")
    return chart.render(title=title, ends=ends, lines=lines, scale=scale, **place)


def data_uri(svg: str) -> str:
    """The SVG as a data: URI, to stand in a Markdown image.

    On paper of its own: a picture does not know whether the page around it is light or dark, and no ink can be read
    on both.
    """
    opening, _, parts = svg.partition(">")
    svg = f"{opening}>{_PAPER}{parts}"
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _stretches(points: Line) -> Iterator[list[tuple[int, float]]]:
    """Neighbouring values with their places; a place without a value ends a stretch."""
    stretch: list[tuple[int, float]] = []
    for place, value in enumerate([*points, None]):
        if value is not None:
            stretch.append((place, value))
        elif stretch:
            yield stretch
            stretch = []
