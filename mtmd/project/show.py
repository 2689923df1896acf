"""The findings of a check, for people at a terminal."""

from itertools import groupby

from rich.console import Console

from mtmd.command_line import literal
from mtmd.project.findings import Finding, Level, ProjectCheck, counted

_MARKS = {
    Level.ERROR: "[bold red]problem[/]",
    Level.WARNING: "[yellow]hint[/]   ",
    Level.FACT: "[dim]·[/]      ",
}


def show(checked: ProjectCheck, console: Console) -> None:
    """A group for each part, a line for each finding and one for its remedy; then how many there are."""
    for part, findings in groupby(checked.findings, key=lambda finding: finding.part):
        console.print(f"[bold]{part.value}[/]")
        for finding in findings:
            console.print(_line(finding))
    problems, hints = checked.count(Level.ERROR), checked.count(Level.WARNING)
    colour = "green" if checked.passed else "red"
    console.print(f"[bold {colour}]{counted(problems, 'problem')}, {counted(hints, 'hint')}[/]")


def _line(finding: Finding) -> str:
    line = f"  {_MARKS[finding.level]} {literal(finding.place)}: {literal(finding.text)}"
    return f"{line}\n          → {literal(finding.remedy)}" if finding.remedy else line
