"""What `mtmd check` finds, as data and as lines for a terminal."""

from enum import StrEnum
from itertools import groupby

from pydantic import Field
from rich.console import Console

from mtmd.command_line import literal
from mtmd.config import Frozen
from mtmd.errors import MtmdError


class Level(StrEnum):
    """How much a finding matters."""

    ERROR = "error"  # a run would stop, or learn something wrong
    WARNING = "warning"  # a run goes on, perhaps with a worse model
    FACT = "fact"  # good to know


class Part(StrEnum):
    """What a finding is about, in the order of the check."""

    PRESET = "preset"
    DAYS = "days"
    COLUMNS = "columns"
    ROWS = "rows"
    FEATURES = "features"
    COST = "cost"


_MARKS = {
    Level.ERROR: "[bold red]problem[/]",
    Level.WARNING: "[yellow]hint[/]   ",
    Level.FACT: "[dim]·[/]      ",
}


class Finding(Frozen):
    """One thing that a check saw."""

    part: Part
    place: str = Field(description="a file; a table, or a table and its column")
    level: Level
    text: str
    remedy: str = Field("", description="what to do; empty for a fact, or where the text says it")


class ProjectCheck(Frozen):
    """All findings about one preset and its logs, in the order of their parts."""

    preset: str
    findings: tuple[Finding, ...]

    def count(self, level: Level) -> int:
        return sum(finding.level is level for finding in self.findings)

    @property
    def passed(self) -> bool:
        return self.count(Level.ERROR) == 0


def error(part: Part, place: str, text: str, remedy: str = "") -> Finding:
    """A finding that stops a run."""
    return Finding(part=part, place=place, level=Level.ERROR, text=text, remedy=remedy)


def stopped_by(part: Part, place: str, wrong: MtmdError) -> Finding:
    """An error that would stop a run, as a finding."""
    return error(part, place, wrong.problem, wrong.remedy)


def warning(part: Part, place: str, text: str, remedy: str) -> Finding:
    """A finding that does not stop a run."""
    return Finding(part=part, place=place, level=Level.WARNING, text=text, remedy=remedy)


def fact(part: Part, place: str, text: str) -> Finding:
    """A finding without a remedy."""
    return Finding(part=part, place=place, level=Level.FACT, text=text)


def counted(count: int, what: str) -> str:
    """A number of things in words, as in "1 row" and "2,000 rows"."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def show(checked: ProjectCheck, console: Console) -> None:
    """A group for each part, a line for each finding and one for its remedy; then how many there are."""
    for part, findings in groupby(checked.findings, key=lambda finding: finding.part):
        console.print(f"[bold]{part.value}[/]")
        for finding in findings:
            console.print(f"  {_MARKS[finding.level]} {literal(finding.place)}: {literal(finding.text)}")
            if finding.remedy:
                console.print(f"          → {literal(finding.remedy)}")
    problems, hints = checked.count(Level.ERROR), checked.count(Level.WARNING)
    colour = "green" if checked.passed else "red"
    console.print(f"[bold {colour}]{counted(problems, 'problem')}, {counted(hints, 'hint')}[/]")
