"""What people read of a run, a line or a job: a headline, facts and sections of blocks. One template makes a page of
it, one Markdown; artifacts, the terminal and `mtmd show` have parts of that Markdown.

An extra adds sections to the page of a run by the seam `page.py`, which has

    def sections(run: mtmd.report.view.RunRecords) -> Sequence[Section]: ...

A section's `order` puts it between those of the core (10 gates, 20 since the champion, 25 the candidate's
choice, 30 against rivals, 40 rank buckets, 50 ablations, 60 replay, 70 calibration, 80 training, 90 data, 100 past
runs, 110 lineage). Where the extra has nothing to say of a run, it returns none. All texts are plain: whoever renders
them escapes them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mtmd.report.charts import data_uri
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
