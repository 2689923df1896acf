"""Small line charts as self-contained SVG, for artifacts that must render without a network."""

import base64
from collections.abc import Mapping, Sequence

from mtmd.report.svg import INK, frame, line, polyline, text

_COLOURS = (
    "#4477aa",
    "#ee6677",
    "#228833",
    "#ccbb44",
    "#aa3377",
    "#66ccee",
)  # told apart by most colour-blind readers
_HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 260, 64, 130, 28, 36


def line_chart(
    title: str,
    x_label: str,
    series: Mapping[str, Sequence[float]],
    best: int | None = None,
    width: int = 640,
    ticks: Sequence[str] = (),
) -> str:
    """SVG text of lines over x = 1, 2, …; `best` marks one x; `width` in pixels. Raises ValueError without values.

    `ticks` names every x; without them the first, the middle and the last have their number.
    """
    values = [value for points in series.values() for value in points]
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
    for place, (name, points) in enumerate(series.items()):
        stroke = f'stroke="{_COLOURS[place % len(_COLOURS)]}" stroke-width="2"'
        label = width - _RIGHT + 12, _TOP + 12.0 + 18 * place
        parts += [
            polyline([(x(i), y(value)) for i, value in enumerate(points)], stroke),
            line(label, (label[0] + 20, label[1]), stroke),
            text(label[0] + 26, label[1] + 4, name),
        ]
    return frame(width, _HEIGHT, *parts, label=title)


def data_uri(svg: str) -> str:
    """The SVG as a data: URI, to stand in a Markdown image."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
