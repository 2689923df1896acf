"""Findings as a person reads them."""

import io

from rich.console import Console

from mtmd.project.findings import Part, ProjectCheck, error, fact, warning
from mtmd.project.show import show


def test_findings_are_grouped_with_their_remedies_and_counted() -> None:
    findings = (
        error(Part.PRESET, "a.toml", "feature 'x' [bold]", "write y"),
        fact(Part.ROWS, "ads", "2 rows"),
        warning(Part.ROWS, "ads.bid", "constant", "take it out"),
    )
    written = io.StringIO()
    show(ProjectCheck(preset="a", findings=findings), Console(file=written, soft_wrap=True, highlight=False))
    assert written.getvalue().splitlines() == [
        "preset",
        "  problem a.toml: feature 'x' [bold]",
        "          → write y",
        "rows",
        "  ·       ads: 2 rows",
        "  hint    ads.bid: constant",
        "          → take it out",
        "1 problem, 1 hint",
    ]
