"""A line chart as self-contained SVG, for pages and artifacts that must render without a network."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from html import escape

_INK = "#888888"  # readable on light and on dark pages; a page's own style sheet may say better
_PAPER = '<style>svg { fill: #444c5a }</style><rect width="100%" height="100%" rx="6" fill="#ffffff"/>'
_COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#aa3377", "#66ccee")  # for most colour-blind readers
_DASHES = ("", ' stroke-dasharray="8 4"', ' stroke-dasharray="2 4"')  # where all colours are taken, once more
_HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 260, 64, 130, 28, 36

_Point = tuple[float, float]


def line_chart(
    title: str,
    x_label: str,
    series: Mapping[str, Sequence[float | None]],
    best: int | None = None,
    width: int = 640,
    ticks: Mapping[int, str] | None = None,
    marks: Sequence[tuple[str, str]] = (),
) -> str:
    """SVG text of lines over x = 1, 2, …; `best` marks one x; `width` in pixels. Raises ValueError without values.

    A line has a gap where a value is None. `ticks` names places from 0 on; without them the first, the middle and the
    last have their number. `marks` has (sign, words) for every x, which stand above it where there is a sign.
    """
    values = [value for points in series.values() for value in points if value is not None]
    if not values:
        raise ValueError(f"chart {title!r} has no values; give at least one series with a point")
    count = max(len(points) for points in series.values())
    low, high = min(values), max(values)
    low, high = (low, high) if high - low > 1e-12 else (low - 0.5, high + 0.5)

    def x(i: int) -> float:
        return _LEFT + (width - _LEFT - _RIGHT) * (i / max(count - 1, 1))

    def y(value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - (value - low) / (high - low))

    parts = [
        _text(_LEFT, 16, title, bold=True),
        _text((_LEFT + width - _RIGHT) / 2, _HEIGHT - 6, x_label, "middle"),
    ]
    for tick in (low, (low + high) / 2, high):
        parts += [
            _line((_LEFT, y(tick)), (width - _RIGHT, y(tick)), f'stroke="{_INK}" stroke-opacity="0.3"'),
            _text(_LEFT - 6, y(tick) + 4, f"{tick:.4g}", "end"),
        ]
    names = ticks or {i: str(i + 1) for i in (0, (count - 1) // 2, count - 1)}
    parts += [_text(x(i), _HEIGHT - 22, name, "middle") for i, name in names.items()]
    if best is not None:
        ends = (x(best - 1), _TOP), (x(best - 1), _HEIGHT - _BOTTOM)
        parts.append(_line(*ends, f'stroke="{_INK}" stroke-dasharray="4 3"'))
    for i, (sign, words) in enumerate(marks):
        drawn = _text(x(i), _TOP - 2, sign, "middle", bold=True)
        parts += [f"<g><title>{escape(words)}</title>{drawn}</g>"] if sign else []
    for place, (name, points) in enumerate(series.items()):
        colour = _COLOURS[place % len(_COLOURS)]
        stroke = f'stroke="{colour}" stroke-width="2"{_DASHES[place // len(_COLOURS) % len(_DASHES)]}'
        left, top = width - _RIGHT + 12, _TOP + 12.0 + 18 * place
        parts += [_joined([(x(i), y(v)) for i, v in part], stroke, colour) for part in _stretches(points)]
        parts += [_line((left, top), (left + 20, top), stroke), _text(left + 26, top + 4, name)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT}" width="{width}" '
        f'font-family="sans-serif" font-size="12" fill="{_INK}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )


def data_uri(svg: str) -> str:
    """The SVG as a data: URI, to stand in a Markdown image.

    On paper of its own: a picture does not know whether the page around it is light or dark, and no ink can be read
    on both.
    """
    opening, _, parts = svg.partition(">")
    svg = f"{opening}>{_PAPER}{parts}"
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _stretches(points: Sequence[float | None]) -> Iterator[list[tuple[int, float]]]:
    """Neighbouring values with their places; a place without a value ends a stretch."""
    stretch: list[tuple[int, float]] = []
    for place, value in enumerate([*points, None]):
        if value is not None:
            stretch.append((place, value))
        elif stretch:
            yield stretch
            stretch = []


def _text(x: float, y: float, words: str, anchor: str = "start", *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{weight}>{escape(words)}</text>'


def _line(start: _Point, end: _Point, style: str) -> str:
    return f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}" {style}/>'


def _joined(points: Sequence[_Point], stroke: str, colour: str) -> str:
    """A line through points; a point alone is a dot, as a line of one point can't be seen."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    (x, y), *others = points
    dot = "" if others else f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'
    return f'<polyline points="{path}" fill="none" {stroke}/>{dot}'
