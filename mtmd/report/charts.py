"""Charts as self-contained SVG, for pages and artifacts that must render without a network, and their pieces."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from math import log

INK = "#888888"  # readable on light and on dark pages; a page's own style sheet may say better
_PAPER = '<style>svg { fill: #444c5a }</style><rect width="100%" height="100%" rx="6" fill="#ffffff"/>'
FONT = 'font-family="sans-serif" font-size="12"'

Point = tuple[float, float]

# Told apart by most colour-blind readers.
_COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#aa3377", "#66ccee")
_DASHES = ("", ' stroke-dasharray="8 4"', ' stroke-dasharray="2 4"')  # where all colours are taken, once more
_HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 260, 64, 130, 28, 36


def stroke_of(place: int) -> tuple[str, str]:
    """The colour of a chart's line by its place among the lines, from 0 on, and the attributes that draw it."""
    colour = _COLOURS[place % len(_COLOURS)]
    return colour, f'stroke="{colour}" stroke-width="2"{_DASHES[place // len(_COLOURS) % len(_DASHES)]}'


def line_chart(
    title: str,
    x_label: str,
    series: Mapping[str, Sequence[float | None]],
    best: int | None = None,
    width: int = 640,
    ticks: Sequence[str] = (),
    marks: Sequence[tuple[str, str]] = (),
) -> str:
    """SVG text of lines over x = 1, 2, …; `best` marks one x; `width` in pixels. Raises ValueError without values.

    A line has a gap where a value is None. `ticks` names every x; without them the first, the middle and the last have
    their number. `marks` has (sign, words) for every x, which stand above it where there is a sign.
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
        text(_LEFT, 16, title, bold=True),
        text((_LEFT + width - _RIGHT) / 2, _HEIGHT - 6, x_label, "middle"),
    ]
    for tick in (low, (low + high) / 2, high):
        parts += [
            line((_LEFT, y(tick)), (width - _RIGHT, y(tick)), f'stroke="{INK}" stroke-opacity="0.3"'),
            text(_LEFT - 6, y(tick) + 4, f"{tick:.4g}", "end"),
        ]
    names = dict(enumerate(ticks)) or {i: str(i + 1) for i in (0, (count - 1) // 2, count - 1)}
    parts += [text(x(i), _HEIGHT - 22, name, "middle") for i, name in names.items()]
    if best is not None:
        ends = (x(best - 1), _TOP), (x(best - 1), _HEIGHT - _BOTTOM)
        parts.append(line(*ends, f'stroke="{INK}" stroke-dasharray="4 3"'))
    for i, (sign, words) in enumerate(marks):
        title_of = f"<title>{escape(words)}</title>"
        parts += [f"<g>{title_of}{text(x(i), _TOP - 2, sign, 'middle', bold=True)}</g>"] if sign else []
    for place, (name, points) in enumerate(series.items()):
        colour, stroke = stroke_of(place)
        label = width - _RIGHT + 12, _TOP + 12.0 + 18 * place
        parts += [
            *(
                joined([(x(i), y(value)) for i, value in stretch], stroke, colour)
                for stretch in stretches(points)
            ),
            line(label, (label[0] + 20, label[1]), stroke),
            text(label[0] + 26, label[1] + 4, name),
        ]
    return frame(width, _HEIGHT, *parts, label=title)


def stretches(points: Sequence[float | None]) -> Iterator[list[tuple[int, float]]]:
    """Neighbouring values with their places; a place without a value ends a stretch."""
    stretch: list[tuple[int, float]] = []
    for place, value in enumerate([*points, None]):
        if value is not None:
            stretch.append((place, value))
        elif stretch:
            yield stretch
            stretch = []


def data_uri(svg: str) -> str:
    """The SVG as a data: URI, to stand in a Markdown image.

    On paper of its own: a picture does not know whether the page around it is light or dark, and no ink can be read
    on both.
    """
    opening, _, parts = svg.partition(">")
    svg = f"{opening}>{_PAPER}{parts}"
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def frame(width: int, height: int, *parts: str, label: str = "") -> str:
    """A drawing of parts; `label` is what a screen reader says of it."""
    role = f' role="img" aria-label="{escape(label)}"' if label else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" {FONT} '
        f'fill="{INK}"{role}>{"".join(parts)}</svg>'
    )


def text(x: float, y: float, words: str, anchor: str = "start", *, bold: bool = False, size: int = 12) -> str:
    """Words at a point; anchor is start, middle or end."""
    weight = ' font-weight="bold"' if bold else ""
    height = f' font-size="{size}"' if size != 12 else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{weight}{height}>{escape(words)}</text>'


def line(start: Point, end: Point, style: str) -> str:
    """A straight line; style is attributes."""
    return f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}" {style}/>'


def joined(points: list[Point], style: str, colour: str) -> str:
    """A line through points, with a dot where there is one alone: a line of one point can't be seen."""
    (x, y), *others = points
    dot = "" if others else f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'
    return polyline(points, style) + dot


def polyline(points: list[Point], style: str) -> str:
    """A line through points, not filled."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" {style}/>'


def strip(
    lanes: Mapping[str, Sequence[tuple[float, str, str]]], bounds: tuple[float, float], label: str
) -> str:
    """Ratios around 1 on a logarithmic axis, a lane for each name, with (ratio, CSS class, words) for each dot.

    The room between the bounds is shaded. Dots further out than a factor of 10 stand on the edge.
    """
    ratios = [*bounds, *(ratio for dots in lanes.values() for ratio, _, _ in dots)]
    reach = min(1.08 * max(abs(log(ratio)) for ratio in ratios), log(10.0))
    width, left, lane = 640, 72, 22

    def x(ratio: float) -> float:
        inside = min(max(log(ratio), -reach), reach)
        return left + (width - left - 14) * (inside + reach) / (2 * reach)

    low, high = map(x, bounds)
    bottom = 4 + lane * len(lanes)
    parts = [
        f'<rect x="{low:.1f}" y="4" width="{high - low:.1f}" height="{bottom - 4}" class="inside" '
        'fill-opacity="0.15"/>',
        line((x(1.0), 2), (x(1.0), bottom + 2), f'stroke="{INK}"'),
        *(
            text(at, bottom + 15, f"{bound:g}", "middle")
            for bound, at in zip(bounds, (low, high), strict=True)
        ),
    ]
    for place, (name, dots) in enumerate(lanes.items()):
        middle = 4 + lane * (place + 0.5)
        parts.append(text(0, middle + 4, name))
        parts += [
            f'<circle cx="{x(ratio):.1f}" cy="{middle:.1f}" r="4" class="{css}" fill-opacity="0.7">'
            f"<title>{escape(words)}</title></circle>"
            for ratio, css, words in dots
        ]
    return frame(width, bottom + 20, *parts, label=label)
