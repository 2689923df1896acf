"""The commands of README and docs."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
_PROGRAM = r"(?:\.venv/bin/|(?:make|mtmd|prefect|python) )"


def documented_commands() -> dict[str, str]:
    """Every command: the lines of sh blocks without their comments, and code spans; command → page."""
    return {command: page.name for page in PAGES for command in _commands(page.read_text(encoding="utf-8"))}


def _commands(text: str) -> Iterator[str]:
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            if command := re.sub(r"(^|\s+)#\s.*$", "", line).strip():
                yield command
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    yield from re.findall(rf"`({_PROGRAM}[^`]+)`", prose)
