"""What the monitor found on a day: one number each, and the report that holds them."""

from datetime import date

from pydantic import Field

from mtmd.config import Frozen

FRESHNESS, DRIFT = "freshness", "feature drift"  # signals beside the names of the metrics that are watched


class Finding(Frozen):
    """One number of a day against what it was at promotion, or in training."""

    signal: str = Field(description="the metric's name, or freshness or feature drift")
    where: str = Field(description="a slice, a feature and domain, or what freshness is of")
    value: float | None = None
    reference: float | None = Field(None, description="at promotion, or the largest of the training days")
    judged: bool = Field(True, description="False where there is too little data to judge")
    breach: bool = False
    change: float | None = Field(
        None, description="of a figure: ln(value / reference), and of AUC value − reference; else None"
    )
    noise: float | None = Field(None, description="standard deviation of `change` on ordinary days")
    p: float | None = Field(None, description="of so large a change by chance; Holm-corrected over the day")
    words: str = Field("", description="what is wrong, or why it is not judged; else empty")


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
    def unjudged(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if not finding.judged)

    @property
    def verdict(self) -> str:
        """`all is well`, `2 breaches`."""
        count = len(self.breaches)
        return f"{count} breach{'' if count == 1 else 'es'}" if count else "all is well"

    @property
    def words(self) -> str:
        """The verdict with what is wrong, the first few in full, and how much was not judged."""
        words, found = self.verdict, self.breaches
        if found:
            words += f": {'; '.join(finding.words for finding in found[:3])}"
            words += f" and {len(found) - 3} more" if len(found) > 3 else ""
        if self.unjudged:
            words += f"; {len(self.unjudged)} of {len(self.findings)} numbers not judged (too little data)"
        return words

    def of(self, signal: str) -> tuple[Finding, ...]:
        """The findings of one kind."""
        return tuple(finding for finding in self.findings if finding.signal == signal)
