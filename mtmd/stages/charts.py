"""Small line charts as self-contained SVG, for artifacts that must render without a network."""

import base64
from collections.abc import Mapping, Sequence
from html import escape

_COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#aa3377")  # told apart by most colour-blind readers
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 640, 260, 64, 130, 28, 36
_INK = "#888888"  # readable on light and on dark pages


def line_chart(
    title: str, x_label: str, series: Mapping[str, Sequence[float]], best: int | None = None
) -> str:
    """SVG text of lines over x = 1, 2, …; `best` marks one x. Every series must be as long as the first."""
    values = [value for line in series.values() for value in line]
    if not values:
        raise ValueError(f"chart {title!r} has no values; give at least one series with a point")
    count = max(len(line) for line in series.values())
    low, high = min(values), max(values)
    low, high = (low, high) if high - low > 1e-12 else (low - 0.5, high + 0.5)

    def x(i: int) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (i / max(count - 1, 1))

    def y(value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - (value - low) / (high - low))

    frame = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'font-family="sans-serif" font-size="12" fill="{_INK}">',
        _text(_LEFT, 16, title, "start", bold=True),
        _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 6, x_label, "middle"),
    ]
    for tick in (low, (low + high) / 2, high):
        frame += [
            _line((_LEFT, y(tick)), (_WIDTH - _RIGHT, y(tick)), f'stroke="{_INK}" stroke-opacity="0.3"'),
            _text(_LEFT - 6, y(tick) + 4, f"{tick:.4g}", "end"),
        ]
    ticks = sorted({0, (count - 1) // 2, count - 1})
    frame += [_text(x(i), _HEIGHT - 22, str(i + 1), "middle") for i in ticks]
    if best is not None:
        ends = (x(best - 1), _TOP), (x(best - 1), _HEIGHT - _BOTTOM)
        frame.append(_line(*ends, f'stroke="{_INK}" stroke-dasharray="4 3"'))
    for place, (name, line) in enumerate(series.items()):
        stroke = f'stroke="{_COLOURS[place % len(_COLOURS)]}" stroke-width="2"'
        points = " ".join(f"{x(i):.1f},{y(value):.1f}" for i, value in enumerate(line))
        label = _WIDTH - _RIGHT + 12, _TOP + 12.0 + 18 * place
        frame += [
            f'<polyline points="{points}" fill="none" {stroke}/>',
            _line(label, (label[0] + 20, label[1]), stroke),
            _text(label[0] + 26, label[1] + 4, name, "start"),
        ]
    return "".join([*frame, "</svg>"])


def _text(x: float, y: float, text: str, anchor: str, *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{weight}>{escape(text)}</text>'


def _line(start: tuple[float, float], end: tuple[float, float], style: str) -> str:
    return f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}" {style}/>'


def data_uri(svg: str) -> str:
    """The SVG as a data: URI, to stand in a Markdown image."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
