"""What `mtmd check` finds, as data."""

from collections.abc import Iterable
from difflib import get_close_matches
from enum import StrEnum

from pydantic import Field

from mtmd.config import Frozen


class Level(StrEnum):
    """How much a finding matters."""

    ERROR = "error"  # a run would stop, or learn something wrong
    WARNING = "warning"  # a run goes on, perhaps with a worse model
    FACT = "fact"  # good to know


class Part(StrEnum):
    """What a finding is about, in the order of the check."""

    PRESET = "preset"
    STATEMENTS = "statements"
    DAYS = "days"
    COLUMNS = "columns"
    ROWS = "rows"
    FEATURES = "features"
    COST = "cost"


class Finding(Frozen):
    """One thing that a check saw."""

    part: Part
    place: str = Field(
        description="a file, with its line where there is one; a table, or a table and its column"
    )
    level: Level
    text: str
    remedy: str = Field("", description="what to do; empty for a fact")


class ProjectCheck(Frozen):
    """All findings about one preset and its logs, in the order of their parts."""

    preset: str
    findings: tuple[Finding, ...]

    def count(self, level: Level) -> int:
        return sum(finding.level is level for finding in self.findings)

    @property
    def passed(self) -> bool:
        return self.count(Level.ERROR) == 0


def error(part: Part, place: str, text: str, remedy: str) -> Finding:
    """A finding that stops a run."""
    return Finding(part=part, place=place, level=Level.ERROR, text=text, remedy=remedy)


def warning(part: Part, place: str, text: str, remedy: str) -> Finding:
    """A finding that does not stop a run."""
    return Finding(part=part, place=place, level=Level.WARNING, text=text, remedy=remedy)


def fact(part: Part, place: str, text: str) -> Finding:
    """A finding without a remedy."""
    return Finding(part=part, place=place, level=Level.FACT, text=text)


def counted(count: int, what: str) -> str:
    """A number of things in words, as in "1 row" and "2,000 rows"."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like another one, whatever its case and underscores; None where none is near."""
    plain = {_plain(other): other for other in known}
    close = get_close_matches(_plain(name), plain, n=1, cutoff=0.6)
    return plain[close[0]] if close else None


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")
