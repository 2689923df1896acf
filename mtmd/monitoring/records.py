"""What the monitor says of a day."""

from datetime import date
from typing import Literal

from pydantic import Field

from mtmd.config import Frozen

Signal = Literal["freshness", "logmae", "calibration", "auc", "score shift", "feature drift"]


class Finding(Frozen):
    """One number of a day against what it was at promotion, or in training."""

    signal: Signal
    where: str = Field(description="a slice, a feature and domain, or what freshness is of")
    value: float | None
    reference: float | None = Field(description="at promotion, or the largest of the training days")
    judged: bool = Field(description="False where there is too little data to judge")
    breach: bool
    words: str = Field("", description="what is wrong; empty without a breach")


class MonitorReport(Frozen):
    """A day, seen with the champion's eyes."""

    line: str = Field(description="the preset's name")
    day: date
    champion: str | None
    champion_as_of: date | None
    findings: tuple[Finding, ...]

    @property
    def breaches(self) -> tuple[Finding, ...]:
        return tuple(one for one in self.findings if one.breach)

    @property
    def words(self) -> str:
        """`all is well`, or the breaches, the first few in full."""
        if not self.breaches:
            return "all is well"
        shown = "; ".join(one.words for one in self.breaches[:3])
        noun = "breach" if len(self.breaches) == 1 else "breaches"
        more = f" and {len(self.breaches) - 3} more" if len(self.breaches) > 3 else ""
        return f"{len(self.breaches)} {noun}: {shown}{more}"

    def of(self, signal: Signal) -> tuple[Finding, ...]:
        """The findings of one kind."""
        return tuple(one for one in self.findings if one.signal == signal)
