"""Words and tables as people read them, and other people's words made harmless for Markdown.

Tables of plain values under typed columns are read by the page, Markdown, a terminal and JSON.
"""

import os
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from pydantic import Field

from mtmd.config import Frozen
from mtmd.evaluate.report import Estimate
from mtmd.registry.records import ChampionChange
from mtmd.store.stores import artifacts_folder

_MARKUP = re.compile(r"([\\`*~\[\]]|(?<!\w)_|_(?!\w))")  # an underscore inside of a name is none
# What makes a line a heading, an item, a quotation or a rule, or the line above it a heading.
_BEGINNING = re.compile(r"^((?=[#+\-=>])|\d+(?=[.)](?: |$)))")
_ENTITY = re.compile(r"&(?=#?\w+;)")  # what Markdown shows as another character, as `&#39;`
_ESCAPED = re.compile(r"\\([!-/:-@[-`{-~])")
_CELL = re.compile(r"(?:\\.|[^|\\\n])+(?=(\|?))")  # or a line without cells
NOT_APPLICABLE = "N/A"
# Prefect's UI wraps no cell, and cuts off what is wider than its column: characters in a window of 1,024 px.
_WIDTH = 84
_NAME, _TEXT, _HEAD = 36, 22, 12  # characters of a line: names of rows, texts, names of columns
_BREAK = "<br>"
_FORMS = {"text": "{}", "count": "{:,}", "number": "{:.4f}", "estimate": "{:.2%}"}
Kind = Literal["text", "count", "number", "estimate"]


class Link(Frozen):
    """A text that leads to a place on a page; elsewhere it is the text."""

    text: str
    url: str


Cell = str | int | float | Estimate | Link | None


def plain(text: str) -> str:
    """One line that can't become markup: no heading, list, link, image, HTML, code, emphasis or end of a cell."""
    return _BEGINNING.sub(r"\1\\", cell(text))


def cell(text: str) -> str:
    """The same for a text that does not begin a line, such as a table's cell."""
    line = _MARKUP.sub(r"\\\1", " ".join(text.split()))
    return _ENTITY.sub("&amp;", line).replace("<", "&lt;").replace("|", "\\|")


def unescaped(markdown: str) -> str:
    """Markdown of ours as a terminal shows it, where nothing needs an escape; a cell stays as wide as it was."""

    def shown(found: re.Match[str]) -> str:
        text = _ESCAPED.sub(r"\1", found[0]).replace("&lt;", "<").replace("&amp;", "&")
        return text.ljust(len(found[0]) if found[1] else 0)

    return _CELL.sub(shown, markdown)


def minus(text: str) -> str:
    """Hyphens as minus signs, which are as wide as a plus."""
    return text.replace("-", "−")


def number(value: float | None, form: str = ".4f") -> str:
    """A number with a real minus sign; a dash for None."""
    return "–" if value is None else minus(format(value, form))


def short(text: str, length: int) -> str:
    """The beginning of a text that is too long."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def enumerated(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`; `none` of nothing."""
    if len(names) < 2:
        return names[0] if names else "none"
    return f"{', '.join(names[:-1])} and {names[-1]}"


def time_words(seconds: float) -> str:
    """`0.4 s`, `12 s`, `1 min 32 s`, `2 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def report_url(artifacts: str | Path, page: str) -> str | None:
    """Where a browser finds a page, when MTMD_REPORTS_URL says under which URL the artifacts are served."""
    base = os.environ.get("MTMD_REPORTS_URL", "").rstrip("/")
    if not base:
        return None
    inside = Path(page).relative_to(artifacts_folder(artifacts))
    return f"{base}/{quote(inside.as_posix())}"


class Column(Frozen):
    """A column; its kind says how a value is written."""

    name: str
    kind: Kind = "number"

    def text(self, value: Cell) -> str:
        """A value as people read it; an undefined one is a dash."""
        if value is None:
            return "–"
        if isinstance(value, str):
            return value
        if isinstance(value, Link):
            return value.text
        return minus(str(value) if isinstance(value, Estimate) else _FORMS[self.kind].format(value))


def columns_of(kind: Kind, names: Iterable[str]) -> tuple[Column, ...]:
    """Columns of one kind."""
    return tuple(Column(name=name, kind=kind) for name in names)


class Table(Frozen):
    """Rows of plain values under typed columns."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    key_columns: int = Field(1, description="so many first columns name a row together")

    def texts(self) -> list[list[str]]:
        """The rows as people read them."""
        return [
            [column.text(value) for column, value in zip(self.columns, row, strict=True)] for row in self.rows
        ]

    def shade(self, value: Cell) -> float:
        """How deep the colour of an estimate is, −1 to 1: beside the largest, or 2 % where all are smaller."""
        if not isinstance(value, Estimate):
            return 0.0
        most = max(abs(one.value) for row in self.rows for one in row if isinstance(one, Estimate))
        return value.value / max(most, 0.02)

    def markdown(self, *, narrow: bool = False) -> str:
        """A GitHub-flavoured table under its title; text left, numbers right; no text of it becomes markup.

        `narrow` fits it to Prefect's UI: long texts are broken, an interval stands below its value, and a table of
        many columns becomes several that begin with the same column.
        """
        lines: list[str] = []
        for number, part in enumerate(_parts(self) if narrow else [_wide(self)]):
            title = "continued" if number else cell(self.title)
            lines += [f"**{title}**", ""] if title else []
            lines += [*(f"| {' | '.join(row)} |" for row in zip(*part, strict=True)), ""]
        return "\n".join(lines)


def champions_table(history: Iterable[ChampionChange]) -> Table:
    """Every change, the newest first, with the model that it is about and the one that was live afterwards."""
    rows = [
        (f"{one.at:%Y-%m-%d %H:%M}", one.action, one.about or one.model_id, one.model_id, one.reason)
        for one in history
    ]
    columns = columns_of("text", ("at (UTC)", "change", "of model", "live then", "reason"))
    return Table(title="", columns=columns, rows=tuple(rows[::-1]))


def is_sure(value: Cell) -> bool:
    """Whether an estimate's interval leaves zero out."""
    return isinstance(value, Estimate) and value.sign() != 0


def _wide(table: Table) -> list[list[str]]:
    """Each column with its name and rule, its cells as wide as the widest: it can be read as text, too."""
    columns = []
    for column, *texts in zip(table.columns, *table.texts(), strict=True):
        left = column.kind == "text"
        shown = [cell(column.name), *(cell(text) if left else text for text in texts)]
        width = max(3, *map(len, shown))
        head, *cells = [text.ljust(width) if left else text.rjust(width) for text in shown]
        rule = ":" + "-" * (width - 1) if left else "-" * (width - 1) + ":"
        columns.append([head, rule, *cells])
    return columns


def _parts(table: Table) -> Iterator[list[list[str]]]:
    """Groups of columns that fit Prefect's UI, each led by the column that names a row."""
    texts, heads = table.texts(), [column.name for column in table.columns]
    names = [" × ".join(parts[: table.key_columns]) for parts in (heads, *texts)]
    key = [_wrap(names[0], _NAME), ":--", *(_wrap(name, _NAME) for name in names[1:])]
    part = [key]
    for place, column in enumerate(table.columns[table.key_columns :], table.key_columns):
        rule = ":--" if column.kind == "text" else "--:"
        shown = [_wrap(column.name, _HEAD), rule, *(_narrow(column, row[place]) for row in texts)]
        if len(part) > 1 and sum(map(_width, [*part, shown])) > _WIDTH:
            yield part
            part = [key]
        part.append(shown)
    yield part


def _narrow(column: Column, text: str) -> str:
    """A number's interval stands below it."""
    return _wrap(text, _TEXT) if column.kind == "text" else text.replace(" [", f"{_BREAK}[")


def _wrap(text: str, width: int) -> str:
    """No word is broken: it may be a name that somebody copies."""
    lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    return _BREAK.join(map(cell, lines))


def _width(column: Sequence[str]) -> int:
    """The characters of the longest line, and the space around it."""
    return 3 + max(len(line.replace("\\", "")) for text in column for line in text.split(_BREAK))


def environment() -> Environment:
    """The package's templates: texts are escaped for HTML and SVG, or left to the filters of Markdown."""
    made = Environment(
        loader=PackageLoader("mtmd.report"),
        autoescape=select_autoescape(("html", "svg")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "cell": cell,
        "plain": plain,
        "sure": is_sure,
        "kind": lambda value: type(value).__name__,
    }
    return made
