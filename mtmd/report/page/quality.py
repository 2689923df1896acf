"""Window and data quality: days, rows, and what the expectation suites said."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mtmd.extract.shards import Days, ShardRef
from mtmd.report.markdown.validation import verdict
from mtmd.validate.results import DayValidation, ExpectationResult, Status, WindowValidation

Validation = DayValidation | WindowValidation
_SHORT = 12  # digits of a fingerprint that tell shards apart


@dataclass(frozen=True)
class Quality:
    """What the section says.

    words, passed   of all validations together
    findings        what failed or could not be checked, with the title of its validation
    skipped         how many expectations were skipped, by reason
    days            each shard, the held-out one last, and its expectations by status
    most            candidates of the largest day
    """

    words: str
    passed: bool
    findings: tuple[tuple[str, ExpectationResult], ...]
    skipped: Mapping[str, int]
    days: tuple[tuple[ShardRef, Mapping[Status, int]], ...]
    most: int


def quality(validations: Sequence[Validation], days: Days) -> Quality:
    """Sums over the validations, and what people should look at."""
    results = [result for validation in validations for result in validation.results]
    by_day = {v.day: v.results for v in validations if isinstance(v, DayValidation)}
    count = _by_status(results)
    return Quality(
        words=f"{len(validations)} validations, {verdict(validations)}: {count[Status.PASSED]:,} expectations passed, "
        f"{count[Status.FAILED]:,} failed, {count[Status.RAISED]:,} raised, {count[Status.SKIPPED]:,} skipped",
        passed=all(validation.passed for validation in validations),
        findings=tuple(
            (validation.title, result)
            for validation in validations
            for result in validation.results
            if result.status in {Status.FAILED, Status.RAISED}
        ),
        skipped=Counter(r.message or "no reason given" for r in results if r.status is Status.SKIPPED),
        days=tuple((shard, _by_status(by_day.get(shard.day, ()))) for shard in days.all),
        most=max(shard.candidates for shard in days.all),
    )


def short(fingerprint: str | None) -> str:
    """The first digits of a digest."""
    return "–" if fingerprint is None else fingerprint[:_SHORT]


def observed(result: ExpectationResult) -> str:
    """What an expectation saw instead of what it wants."""
    if result.message is not None:
        return result.message
    if result.unexpected is not None:
        first = ", ".join(f"{key} {value}" for key, value in next(iter(result.samples), {}).items())
        return f"{result.unexpected:,} unexpected" + (f", the first: {first}" if first else "")
    return "" if result.observed is None else str(result.observed)


def _by_status(results: Iterable[ExpectationResult]) -> Counter[Status]:
    return Counter(result.status for result in results)
