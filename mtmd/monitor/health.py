"""What the monitor found on a day: one number each, and the report that holds them."""

from collections.abc import Sequence
from datetime import date, timedelta
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
    reference_day: date | None = Field(None, description="of a figure: the day that the reference is of")
    judged: bool = Field(description="False where there is too little data to judge")
    breach: bool
    suspected: bool = Field(
        False,
        description="beyond chance: a breach where it is beyond doubt, or where the day before suspected it too",
    )
    change: float | None = Field(
        None, description="of a figure: ln(value / reference), and of AUC value − reference; else None"
    )
    noise: float | None = Field(None, description="standard deviation of `change` on ordinary days")
    p: float | None = Field(None, description="of so large a change by chance; Holm-corrected over the day")
    words: str = Field("", description="what is wrong, suspected or why it is not judged; else empty")


class MonitorReport(Frozen):
    """A day, seen with the champion's eyes."""

    line: str = Field(description="the preset's name")
    day: date
    champion: str | None
    champion_as_of: date | None
    findings: tuple[Finding, ...]

    @property
    def breaches(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.breach)

    @property
    def suspicions(self) -> tuple[Finding, ...]:
        """What the next day makes a breach of, or not."""
        return tuple(finding for finding in self.findings if finding.suspected and not finding.breach)

    @property
    def unjudged(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if not finding.judged)

    @property
    def verdict(self) -> str:
        """`all is well`, `2 breaches`, `1 suspicion`."""
        counts = (_count(self.breaches, "breach", "es"), _count(self.suspicions, "suspicion", "s"))
        return ", ".join(filter(None, counts)) or "all is well"

    @property
    def words(self) -> str:
        """The verdict with what is wrong, the first few in full, and how much was not judged."""
        said = [_listed(_count(self.breaches, "breach", "es"), self.breaches)] if self.breaches else []
        if self.suspicions:
            said.append(_listed(_count(self.suspicions, "suspicion", "s"), self.suspicions))
        said = said or ["all is well"]
        if self.unjudged:
            said.append(f"{len(self.unjudged)} of {len(self.findings)} numbers not judged (too little data)")
        return "; ".join(said)

    def of(self, signal: Signal) -> tuple[Finding, ...]:
        """The findings of one kind."""
        return tuple(finding for finding in self.findings if finding.signal == signal)


def threshold_finding(
    signal: Signal, where: str, value: float | None, reference: float | None, *, off: bool, words: str
) -> Finding:
    """A number that noise has no part in: a breach where it is `off`, which `words` say."""
    return Finding(
        signal=signal,
        where=where,
        value=value,
        reference=reference,
        judged=True,
        breach=off,
        words=words if off else "",
    )


def suspected_before(day: date, earlier: Sequence[MonitorReport]) -> dict[tuple[Signal, str], Finding]:
    """What the day before suspected, by signal and place; what it called a breach too, as the fault may go on."""
    yesterday = [report for report in earlier if report.day == day - timedelta(days=1)]
    return {(one.signal, one.where): one for report in yesterday for one in report.findings if one.suspected}


def said(certain: bool, again: bool) -> str:
    """Why what is suspected is a breach, or when it will be one."""
    if certain:
        return "beyond doubt"
    return "as on the day before" if again else "a breach if the next day has it too"


def _count(found: tuple[Finding, ...], noun: str, plural: str) -> str:
    return f"{len(found)} {noun}{'' if len(found) == 1 else plural}" if found else ""


def _listed(count: str, found: tuple[Finding, ...]) -> str:
    shown = "; ".join(finding.words for finding in found[:3])
    return f"{count}: {shown}" + (f" and {len(found) - 3} more" if len(found) > 3 else "")
