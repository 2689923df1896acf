"""What `mtmd check` finds, as data and as lines for a terminal."""

from enum import StrEnum

from pydantic import Field
from rich.console import Console

from mtmd.command_line import literal
from mtmd.config import Frozen
from mtmd.errors import MtmdError


class Level(StrEnum):
    """How much a finding matters."""

    PROBLEM = "problem"  # a run would stop, or learn something wrong
    HINT = "hint"  # a run goes on, perhaps with a worse model
    FACT = "fact"  # good to know


_MARKS = {
    Level.PROBLEM: "[bold red]problem[/]",
    Level.HINT: "[yellow]hint[/]   ",
    Level.FACT: "[dim]·[/]      ",
}


class Finding(Frozen):
    """One thing that a check saw."""

    level: Level
    place: str = Field(description="a file; a table, or a table and its column")
    text: str
    remedy: str = Field("", description="what to do; empty for a fact, or where the text says it")


class ProjectCheck(Frozen):
    """All findings about one preset and its logs: the preset, days, columns, rows, then features."""

    preset: str
    findings: tuple[Finding, ...]

    def count(self, level: Level) -> int:
        return sum(finding.level is level for finding in self.findings)

    @property
    def passed(self) -> bool:
        return self.count(Level.PROBLEM) == 0


def problem(place: str, text: str, remedy: str = "") -> Finding:
    """A finding that stops a run."""
    return Finding(level=Level.PROBLEM, place=place, text=text, remedy=remedy)


def stopped_by(place: str, wrong: MtmdError) -> Finding:
    """An error that would stop a run, as a finding."""
    return problem(place, wrong.problem, wrong.remedy)


def hint(place: str, text: str, remedy: str) -> Finding:
    """A finding that does not stop a run."""
    return Finding(level=Level.HINT, place=place, text=text, remedy=remedy)


def fact(place: str, text: str) -> Finding:
    """A finding without a remedy."""
    return Finding(level=Level.FACT, place=place, text=text)


def counted(count: int, what: str) -> str:
    """A number of things in words, as in "1 row" and "2,000 rows"."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def show(checked: ProjectCheck, console: Console) -> None:
    """A line for each finding and one for its remedy; then how many there are."""
    for finding in checked.findings:
        console.print(f"{_MARKS[finding.level]} {literal(finding.place)}: {literal(finding.text)}")
        if finding.remedy:
            console.print(f"        → {literal(finding.remedy)}")
    problems, hints = checked.count(Level.PROBLEM), checked.count(Level.HINT)
    colour = "green" if checked.passed else "red"
    console.print(f"[bold {colour}]{counted(problems, 'problem')}, {counted(hints, 'hint')}[/]")
