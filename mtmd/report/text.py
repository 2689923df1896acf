"""Words and numbers as people read them, and other people's words made harmless for Markdown."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from mtmd.store.stores import artifacts_folder

_MARKUP = re.compile(r"([\\`*~\[\]]|(?<!\w)_|_(?!\w))")  # an underscore inside of a name is none
# What makes a line a heading, an item, a quotation or a rule, or the line above it a heading.
_BEGINNING = re.compile(r"^((?=[#+\-=>])|\d+(?=[.)](?: |$)))")
_ENTITY = re.compile(r"&(?=#?\w+;)")  # what Markdown shows as another character, as `&#39;`
_FENCE = re.compile(r"`{3,}")


def plain(text: str) -> str:
    """One line that can't become markup: no heading, list, link, image, HTML, code, emphasis or end of a cell."""
    return _BEGINNING.sub(r"\1\\", cell(text))


def cell(text: str) -> str:
    """The same for a text that does not begin a line, such as a table's cell."""
    line = _MARKUP.sub(r"\\\1", " ".join(text.split()))
    return _ENTITY.sub("&amp;", line).replace("<", "&lt;").replace("|", "\\|")


def block(text: str) -> str:
    """Text as it is, as a block of code whose fence the text can't close."""
    fence = "`" * (1 + max([2, *map(len, _FENCE.findall(text))]))
    return f"{fence}\n{text}\n{fence}"


def minus(text: str) -> str:
    """Hyphens as minus signs, which are as wide as a plus."""
    return text.replace("-", "−")


def number(value: float | None, form: str = ".4f") -> str:
    """A number with a real minus sign; a dash for None."""
    return "–" if value is None else minus(format(value, form))


def short(text: str | None, length: int) -> str:
    """The beginning of a text that is too long; a dash for None."""
    if text is None:
        return "–"
    return text if len(text) <= length else f"{text[: length - 1]}…"


def enumerated(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`; `none` of nothing."""
    if len(names) < 2:
        return names[0] if names else "none"
    return f"{', '.join(names[:-1])} and {names[-1]}"


def time_words(seconds: float | None) -> str:
    """`0.4 s`, `12 s`, `1 min 32 s`, `2 h 5 min`; a dash for None."""
    if seconds is None:
        return "–"
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
