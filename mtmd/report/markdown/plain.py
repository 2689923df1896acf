"""Words of people and of libraries in Markdown: reasons, error texts, names of files."""

import re

_MARKUP = re.compile(r"([\\`*\[\]])")
_FENCE = re.compile(r"`{3,}")


def plain(text: str) -> str:
    """One line that can't become markup: no heading, list, link, image, HTML, code, emphasis or end of a cell."""
    line = _MARKUP.sub(r"\\\1", " ".join(text.split()))
    return line.replace("<", "&lt;").replace("|", "\\|")


def block(text: str) -> str:
    """Text as it is, as a block of code whose fence the text can't close."""
    fence = "`" * (1 + max([2, *map(len, _FENCE.findall(text))]))
    return f"{fence}\n{text}\n{fence}"
