"""Pieces of SVG: text that is escaped, lines, and the frame around them."""

from html import escape

INK = "#888888"  # readable on light and on dark pages; a page's own style sheet may say better
FONT = 'font-family="sans-serif" font-size="12"'

Point = tuple[float, float]


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


def polyline(points: list[Point], style: str) -> str:
    """A line through points, not filled."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" {style}/>'
