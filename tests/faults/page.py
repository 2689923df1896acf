"""A row for each fault that was tried, below the counts of each class; docs/reliability.md says what must hold."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

from tests.faults.catalogue import FAULTS

_WIDTH = 160  # of an error, in a table


class Tried(NamedTuple):
    """How a fault ended."""

    group: str
    name: str
    outcome: str
    words: str
    test: Literal["passed", "failed", "skipped"]

    @property
    def said(self) -> str:
        return {"passed": self.outcome, "failed": f"✗ not {self.outcome}", "skipped": "not tried"}[self.test]


def page(tried: Sequence[Tried]) -> str:
    """The counts, and a table for each class, in the catalogue's order."""
    order = {(fault.group, fault.name): place for place, fault in enumerate(FAULTS)}
    rows = sorted(tried, key=lambda one: order[one.group, one.name])
    counts = Counter((one.group, one.said) for one in rows)
    lines = ["# Faults", "", "| class | outcome | faults |", "|:--|:--|--:|"]
    lines += [f"| {group} | {said} | {count} |" for (group, said), count in counts.items()]
    for group in dict.fromkeys(one.group for one in rows):
        lines += [
            "",
            f"## {group.capitalize()}",
            "",
            "| fault | outcome | what the run says |",
            "|:--|:--|:--|",
        ]
        lines += [f"| {one.name} | {one.said} | {_cell(one.words)} |" for one in rows if one.group == group]
    return "\n".join([*lines, ""])


def _cell(words: str) -> str:
    """An error as it fits a table's cell."""
    flat = " ".join(words.split()).replace("|", "\\|").replace("<", "&lt;")
    return flat if len(flat) <= _WIDTH else f"{flat[:_WIDTH]} …"
