"""A document as a self-contained page without network or script, in light and dark; and as Markdown."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mtmd.report.charts import data_uri
from mtmd.report.document import Document
from mtmd.report.tables import Table, is_sure
from mtmd.report.text import block, cell, number, plain, time_words


def page(document: Document, line: str) -> str:
    """The HTML of a run's page; `line` names the index that it links. The same document gives the same bytes."""
    return environment(html=True).get_template("page.html").render(document=document, line=line)


def markdown(document: Document, *, narrow: bool = False, pictures: bool = True) -> str:
    """The Markdown: `narrow` for Prefect's UI; a terminal, or a file that people read as text, has no pictures."""
    shown = environment(html=False)
    shown.filters["table"] = lambda table: table.markdown(narrow=narrow)
    text = shown.get_template("document.md").render(document=document, pictures=pictures)
    return f"{text.strip()}\n"


def environment(*, html: bool) -> Environment:
    """Templates of this package; texts are escaped for HTML, or left to the filters of Markdown."""
    made = Environment(
        loader=PackageLoader("mtmd.report"),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {"cell": cell, "plain": plain, "block": block, "data_uri": data_uri}
    filters |= {"kind": _kind, "sure": is_sure, "shade": Table.shade, "tone": _tone, "svg": Markup}
    made.filters |= filters | {"number": number, "duration": time_words}
    return made


def _kind(block: object) -> str:
    """`str`, `Items`, `Table` …"""
    return type(block).__name__


def _tone(text: str) -> str:
    """The class of a text that begins with a mark."""
    return {"✓": "good", "✗": "bad", "○": "held"}.get(text[:1], "")
