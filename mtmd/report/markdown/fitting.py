"""Tables that the Prefect UI shows whole.

The UI wraps no cell, and what is wider than its column is cut off at the edge. So long texts are broken here, an
interval stands below its value, and a table of many columns becomes several that begin with the same column.
"""

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from mtmd.report.tables.evaluation import Column, Table

MOST_COLUMNS = 6
WIDTH = 720  # px that a table has in a window of 1,024 px; in one of 1,440 px it has 870
_PER_CHARACTER, _PER_BOLD, _PER_CELL = 7.4, 8.6, 24.0  # px, measured in the UI; a column's name is bold
_LONG_TEXT, _TEXT, _HEAD = 36, 22, 12  # characters in a line: row names, texts, names of columns
_BREAK = "<br>"
_MINUS = re.compile(r"(?<!\w)-(?=\d)")  # of a number, not of its exponent


@dataclass(frozen=True)
class _Shown:
    """A column as it is shown."""

    name: str
    rule: str
    cells: tuple[str, ...]

    @property
    def width(self) -> float:
        cells = max(map(_longest, self.cells), default=0)
        return max(_PER_BOLD * _longest(self.name), _PER_CHARACTER * cells) + _PER_CELL


def fitted(table: Table, keys: int = 1) -> str:
    """The table's Markdown, in as many parts as its width needs; the first `keys` columns name a row together.

    The names of rows are broken only where that saves a part.
    """
    whole, broken = (_parts(*_columns(table, keys, characters)) for characters in (_LONG_TEXT, _TEXT))
    lines = []
    for number, columns in enumerate(broken if len(broken) < len(whole) else whole):
        rows = zip(*(column.cells for column in columns), strict=True)
        lines += [
            "**continued**" if number else f"**{table.title}**",
            "",
            _line([column.name for column in columns]),
            _line([column.rule for column in columns]),
            *map(_line, rows),
            "",
        ]
    return "\n".join(lines)


def _columns(table: Table, keys: int, characters: int) -> tuple[_Shown, list[_Shown]]:
    """The column that names a row, its lines of so many characters; and the others."""
    texts = [[row[place] for row in table.texts()] for place in range(len(table.columns))]
    names = [_wrap(" × ".join(parts), characters) for parts in zip(*texts[:keys], strict=True)]
    head = _wrap(" × ".join(column.name for column in table.columns[:keys]), characters)
    others = [
        _Shown(
            _wrap(column.name, _HEAD),
            ":--" if column.kind == "text" else "--:",
            tuple(_cell(column, text) for text in own),
        )
        for column, own in zip(table.columns[keys:], texts[keys:], strict=True)
    ]
    return _Shown(head, ":--", tuple(names)), others


def _cell(column: Column, text: str) -> str:
    if column.kind == "text":
        return _wrap(text, _TEXT)
    return _MINUS.sub("−", text.replace(" [", f"{_BREAK}["))


def _longest(text: str) -> int:
    return max(len(line.strip("*")) for line in text.split(_BREAK))


def _wrap(text: str, width: int) -> str:
    """No word is broken: it may be a name that somebody copies."""
    return _BREAK.join(textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False))


def _parts(key: _Shown, values: Sequence[_Shown]) -> list[list[_Shown]]:
    """As few groups of columns that fit beside the key as there can be, and these as equal as can be.

    So six columns become three and three, not five and a table of one.
    """
    fewest = len(_filled(key, values, MOST_COLUMNS))
    ways = (_filled(key, values, most) for most in range(2, MOST_COLUMNS + 1))
    return next(parts for parts in ways if len(parts) == fewest)


def _filled(key: _Shown, values: Sequence[_Shown], most: int) -> list[list[_Shown]]:
    """Groups of at most so many columns that fit, each as full as it gets."""
    parts = [[key]]
    for value in values:
        if len(parts[-1]) > 1 and not _fits([*parts[-1], value], most):
            parts.append([key])
        parts[-1].append(value)
    return parts


def _fits(columns: Sequence[_Shown], most: int) -> bool:
    return len(columns) <= most and sum(column.width for column in columns) <= WIDTH


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
