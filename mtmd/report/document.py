"""What people read of a run, a line or a job: a headline, facts and sections of blocks. One template makes a page of
it, one Markdown; artifacts, the terminal and `mtmd show` have parts of that Markdown.

An extra adds sections to the page of a run by the seam `page.py`, which has

    def sections(run: mtmd.report.view.RunRecords) -> Sequence[Section]: ...

A section's `order` puts it between those of the core (10 gates, 20 since the champion, 25 the candidate's
choice, 30 against rivals, 40 rank buckets, 50 ablations, 70 calibration, 80 training, 90 data, 100 past
runs, 110 lineage). Where the extra has nothing to say of a run, it returns none. All texts are plain: whoever renders
them escapes them. A line chart is self-contained SVG, for pages and artifacts that must render without a network.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mtmd.report.tables import Table, environment

Kind = Literal["good", "bad", "held", ""]
MARKS: dict[Kind, str] = {"good": "✓ ", "bad": "✗ ", "held": "○ ", "": ""}


@dataclass(frozen=True)
class Item:
    """An item of a list: how good it is, a name, what is said of it, and where the name leads."""

    kind: Kind
    name: str
    words: str = ""
    url: str = ""


@dataclass(frozen=True)
class Items:
    """A list."""

    items: Sequence[Item]


@dataclass(frozen=True)
class Picture:
    """A drawing, and what a reader who doesn't see it is told; Markdown has it as a data: URI."""

    svg: str
    words: str


@dataclass(frozen=True)
class Fold:
    """Blocks that the page shows when a reader asks for them."""

    title: str
    blocks: Sequence["Block"]


Block = str | Items | Picture | Fold | Table  # a text is a paragraph


@dataclass(frozen=True)
class Section:
    """A part of a document.

    anchor   its id on the page
    order    its place among the sections
    lead     what it says in a sentence, and how good that is
    how      how to read it
    """

    anchor: str
    title: str
    order: int
    blocks: Sequence[Block]
    lead: str = ""
    kind: Kind = ""
    how: str = ""


@dataclass(frozen=True)
class Document:
    """A headline with what qualifies it, paragraphs below it, facts by name, and sections in their order."""

    title: str
    kind: Kind
    words: Sequence[str] = ()
    facts: Sequence[tuple[str, str]] = ()
    sections: Sequence[Section] = ()


def page(document: Document, up: str = "", words: str = "") -> str:
    """A self-contained page without network or script, in light and dark; `words` above it lead `up` to another page.

    The same document gives the same bytes.
    """
    return environment().get_template("page.html").render(document=document, up=up, words=words, marks=MARKS)


def markdown(document: Document, *, narrow: bool = False, pictures: bool = True) -> str:
    """The Markdown: `narrow` for Prefect's UI; a terminal, or a file that people read as text, has no pictures."""
    drawn = data_uri if pictures else None
    template = environment().get_template("document.md")
    return f"{template.render(document=document, marks=MARKS, narrow=narrow, data_uri=drawn).strip()}\n"


_PAPER = '<style>svg { fill: #444c5a }</style><rect width="100%" height="100%" rx="6" fill="#ffffff"/>'
_COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#aa3377", "#66ccee")  # for most colour-blind readers
_DASHES = ("none", "8 4", "2 4")  # where all colours are taken, once more
# px of a drawing, which is a phone's width, and of its axes
_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 340, 56, 332, 12, 190

Line = Sequence[float | None]
_Point = tuple[float, float]


def line_chart(title: str, series: Mapping[str, Line], ends: tuple[str, str]) -> str:
    """SVG text of lines over evenly spaced places, with a gap where a value is None.

    `ends` names the first and the last place.
    """
    values = [value for points in series.values() for value in points if value is not None]
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
