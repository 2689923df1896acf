"""Words of people, logs and libraries in Markdown: reasons, error texts, values, names of files.

Every text that this project did not write goes through one of these on its way into an artifact.
"""

import re

_MARKUP = re.compile(r"([\\`*~\[\]]|(?<!\w)_|_(?!\w))")  # an underscore inside of a name is none
# What makes a line a heading, an item, a quotation or a rule, or the line above it a heading.
_BEGINNING = re.compile(r"^((?=[#+\-=>])|\d+(?=[.)](?: |$)))")
_ENTITY = re.compile(r"&(?=#?\w+;)")  # what Markdown shows as another character, as `&#39;`
_TICKS = re.compile(r"`+")
_FENCE = re.compile(r"`{3,}")


def plain(text: str) -> str:
    """One line that can't become markup: no heading, list, link, image, HTML, code, emphasis or end of a cell."""
    return _BEGINNING.sub(r"\1\\", cell(text).replace("|", "\\|"))


def cell(text: str) -> str:
    """The same for a cell of a table that `fitted` makes: it escapes what would end the cell."""
    line = _MARKUP.sub(r"\\\1", " ".join(text.split()))
    line = _ENTITY.sub("&amp;", line)
    return line.replace("<", "&lt;")


def code(text: object) -> str:
    """A path or a name as a span of code, on one line, that the text can't close."""
    line = re.sub(r"[^\S ]", " ", f"{text}")
    ticks = "`" * (1 + max(map(len, _TICKS.findall(line)), default=0))
    room = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{ticks}{room}{line}{room}{ticks}"


def block(text: str) -> str:
    """Text as it is, as a block of code whose fence the text can't close."""
    fence = "`" * (1 + max([2, *map(len, _FENCE.findall(text))]))
    return f"{fence}\n{text}\n{fence}"
