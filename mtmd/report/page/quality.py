"""Window and data quality: days, rows, and what the expectation suites said."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mtmd.extract.shards import Days
from mtmd.validate.results import DayValidation, ExpectationResult, Status, WindowValidation

Validation = DayValidation | WindowValidation
_SHORT = 12  # digits of a fingerprint that tell shards apart


@dataclass(frozen=True)
class DayRow:
    """One day of the window, or the held-out one; `share` of the largest day's candidates."""

    day: str
    held_out: bool
    requests: int
    ads: int
    candidates: int
    share: float
    passed: int
    not_passed: int
    skipped: int
    fingerprint: str


@dataclass(frozen=True)
class QualityFinding:
    """An expectation that failed or could not be checked."""

    where: str
    name: str
    level: str
    description: str
    observed: str


@dataclass(frozen=True)
class Quality:
    """What the section says: the sums, the findings, the skipped expectations by reason, the days."""

    words: str
    passed: bool
    findings: tuple[QualityFinding, ...]
    skipped: tuple[tuple[str, int], ...]
    days: tuple[DayRow, ...]
    candidates: int


def quality(validations: Sequence[Validation], days: Days) -> Quality:
    """A row per day, the held-out one last."""
    results = [result for one in validations for result in one.results]
    count = Counter(result.status for result in results)
    bad = sum(not one.passed for one in validations)
    verdict = "all hold" if not bad else f"{bad} of {len(validations)} stop the run"
    words = (
        f"{len(validations)} validations, {verdict}: {count[Status.PASSED]:,} expectations passed, "
        f"{count[Status.FAILED]:,} failed, {count[Status.RAISED]:,} raised, {count[Status.SKIPPED]:,} skipped"
    )
    reasons = Counter(r.message or "no reason given" for r in results if r.status is Status.SKIPPED)
    return Quality(
        words=words,
        passed=not bad,
        findings=tuple(finding for one in validations for finding in _findings(one)),
        skipped=tuple(reasons.items()),
        days=tuple(_days(validations, days)),
        candidates=sum(shard.candidates for shard in days.window),
    )


def short(fingerprint: str | None) -> str:
    """The first digits of a digest."""
    return "–" if fingerprint is None else fingerprint[:_SHORT]


def _findings(one: Validation) -> Iterator[QualityFinding]:
    for result in one.results:
        if result.status in {Status.FAILED, Status.RAISED}:
            yield QualityFinding(
                where=one.title,
                name=f"{result.table}.{result.name}",
                level="stops the run" if result.stops else "warning",
                description=result.description,
                observed=_observed(result),
            )


def _observed(result: ExpectationResult) -> str:
    if result.message is not None:
        return result.message
    if result.unexpected is not None:
        return f"{result.unexpected:,} unexpected"
    return "" if result.observed is None else str(result.observed)


def _days(validations: Sequence[Validation], days: Days) -> Iterator[DayRow]:
    by_day = {one.day: one.results for one in validations if isinstance(one, DayValidation)}
    most = max((shard.candidates for shard in days.all), default=0)
    for shard in days.all:
        count = Counter(result.status for result in by_day.get(shard.day, ()))
        yield DayRow(
            day=f"{shard.day:%a} {shard.day}",
            held_out=shard is days.held_out,
            requests=shard.requests,
            ads=shard.ads,
            candidates=shard.candidates,
            share=shard.candidates / most if most else 0.0,
            passed=count[Status.PASSED],
            not_passed=count[Status.FAILED] + count[Status.RAISED],
            skipped=count[Status.SKIPPED],
            fingerprint=short(shard.fingerprint),
        )
