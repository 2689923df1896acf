"""A row for each fault that was tried; docs/reliability.md has the counts."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from tests.faults.catalogue import FAULTS
from tests.faults.fault import MEANING

_WIDTH = 160  # of an error, in a table


class Tried(NamedTuple):
    """What came of a fault."""

    group: str
    name: str
    outcome: str
    words: str
    test: Literal["passed", "failed", "skipped"]


def page(tried: Sequence[Tried]) -> str:
    """The page: what was tried, what must hold after each, and a table for each group in the catalogue's order."""
    order = {(fault.group, fault.name): place for place, fault in enumerate(FAULTS)}
    sorted_ = sorted(tried, key=lambda one: order[one.group, one.name])
    groups = list(dict.fromkeys(one.group for one in sorted_))
    survived = sum(one.test == "passed" for one in sorted_)
    skipped = sum(one.test == "skipped" for one in sorted_)
    lines = [
        "# Reliability", "",
        "What happens when something goes wrong? Each fault below was planted in a line of models of its own, with",
        "real files, real processes and real signals, and the daily job was run afterwards. `make faults` tries them",
        "all, and writes this page; `make test` tries some of them.", "",
        f"**{survived} of {len(sorted_) - skipped} faults were survived**; {skipped} could not be planted here.",
        "",
        "After each fault five things must hold:", "",
        "- all that serves, the live model and its ads, has the digests that it was written with;",
        "- nothing half written is left under a final name;",
        "- the next run comes to its end;",
        "- its models, embeddings and shards have the digests of an undisturbed run;",
        "- no lock, no temporary file and no process is left.", "",
        "What comes of a fault is one of these:", "",
        *(f"- **{outcome}**: {meaning}." for outcome, meaning in MEANING.items()), "",
    ]  # fmt: skip
    for group in groups:
        rows = [one for one in sorted_ if one.group == group]
        lines += [
            f"## {group.capitalize()}",
            "",
            "| fault | what comes of it | what the run says |",
            "|:--|:--|:--|",
        ]
        lines += [f"| {one.name} | {_outcome(one)} | {_cell(one.words)} |" for one in rows]
        lines += [""]
    return "\n".join(lines)


def _outcome(one: Tried) -> str:
    said = {"passed": one.outcome, "failed": f"✗ not {one.outcome}", "skipped": "not tried"}
    return said[one.test]


def _cell(words: str) -> str:
    """An error as it fits a table's cell."""
    flat = " ".join(words.split()).replace("|", "\\|").replace("<", "&lt;")
    return flat if len(flat) <= _WIDTH else f"{flat[:_WIDTH]} …"
