"""The reference of docs/library.md, from the docstrings: `.venv/bin/python -m tests.library_page` writes it."""

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mtmd
from mtmd.extras.library.frames import ServedModel
from mtmd.extras.library.project import Project

PAGE = Path(__file__).parents[1] / "docs" / "library.md"
BEGINS = "## mtmd.open\n"
_WIDE = 75


def reference() -> str:
    return "\n\n".join(
        [*_entry("mtmd", mtmd.open, "##"), *_of("project", Project), *_of("model", ServedModel)]
    )


def _of(name: str, kind: type) -> Iterator[str]:
    """The class, then what is public in it, in its order."""
    yield f"## {kind.__name__}\n\n{inspect.getdoc(kind)}"
    for member in vars(kind).values():
        if inspect.isfunction(member) and not member.__name__.startswith("_"):
            yield from _entry(name, member, "###")


def _entry(owner: str, function: Callable[..., Any], marks: str) -> Iterator[str]:
    signature = str(inspect.signature(function)).replace("(self, ", "(").replace("(self)", "()")
    signature = re.sub(r"(?:\w+\.)+(\w+)", r"\1", re.sub(r"'(\w+)'", r"\1", signature))  # without modules
    shown = f"{owner}.{function.__name__}"
    if len(signature) > _WIDE:
        signature = re.sub(r", (?=\*|\w+:)", ",\n    ", signature)
    yield f"{marks} {shown}\n\n```python\n{shown}{signature}\n```\n\n{inspect.getdoc(function)}"


def written(page: str) -> str:
    return f"{page.partition(BEGINS)[0]}{reference()}\n"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
