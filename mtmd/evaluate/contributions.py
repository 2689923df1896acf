"""What each factor of the model contributes to LogMAE, in the top rank buckets and over all rows (paper Table 6)."""

import math
from collections.abc import Iterable, Sequence
from statistics import fmean, stdev
from typing import Literal

from pydantic import Field

from mtmd.config import Frozen, Slice, Variant
from mtmd.errors import EvaluationError
from mtmd.evaluate.report import EVERYTHING, Estimate, EvaluationReport


class Contribution(Frozen):
    """What a factor is worth in one rank bucket: positive = the model is better with it."""

    variant: str
    factor: str
    bucket: int | None
    improvement: Estimate | None
    seed_noise: float = Field(0.0, description="what another seed would change, where there is one seed")

    @property
    def clear(self) -> bool:
        """Whether neither chance nor another seed explains it: the interval is on one side of 0, the noise less."""
        found = self.improvement
        if found is None or found.low is None or found.high is None:
            return False
        return (found.low > 0 or found.high < 0) and abs(found.value) >= self.seed_noise

    @property
    def verdict(self) -> Literal["helps", "hurts", "within noise"]:
        """What the factor does, as far as neither chance nor another seed explains it."""
        if self.improvement is None or not self.clear:
            return "within noise"
        return "helps" if self.improvement.value > 0 else "hurts"


def contributions(
    reports: Sequence[EvaluationReport], variants: Iterable[Variant], where: Slice = EVERYTHING
) -> tuple[Contribution, ...]:
    """Each variant's factor in each bucket that has intervals, and over all rows.

    `reports` holds one evaluation per training seed, all of the same day. With one, the interval is the bootstrap's
    over requests, and what another seed would change is not in it. With several it has both: Student's over the
    seeds' differences, and the bootstrap's, which no number of seeds makes smaller, since all see the same requests.
    Variants that were not evaluated are left out. Raises EvaluationError without a report.
    """
    if not reports:
        raise EvaluationError("contributions need the report of one seed or more; train the variants first")
    evaluated = [v for v in variants if all(v.name in report.predictors for report in reports)]
    return tuple(
        Contribution(
            variant=variant.name,
            factor=variant.factor,
            bucket=bucket,
            improvement=over_seeds(
                [_of_seed(report, variant, where, bucket) for report in reports], reports[0].confidence
            ),
            seed_noise=reports[0].seed_noise if len(reports) == 1 else 0.0,
        )
        for variant in evaluated
        for bucket in reports[0].compared_buckets
    )


def _of_seed(report: EvaluationReport, variant: Variant, where: Slice, bucket: int | None) -> Estimate | None:
    """1 − LogMAE with the factor / LogMAE without it."""
    pair = report.compared(variant.name, where, bucket)
    if pair.log_ratio is None or pair.low is None or pair.high is None:
        return None
    if not variant.added:
        return Estimate(value=-math.expm1(pair.log_ratio), low=pair.low, high=pair.high)
    # The variant has the factor: the inverse ratio, so bounds change places.
    return Estimate(
        value=-math.expm1(-pair.log_ratio), low=1 - 1 / (1 - pair.high), high=1 - 1 / (1 - pair.low)
    )


def over_seeds(estimates: Sequence[Estimate | None], confidence: float) -> Estimate | None:
    """Mean of a gain over training seeds; None where a seed lacks it.

    Of several seeds the interval joins Student's over the seeds and the mean width of the seeds' own over requests.
    """
    from scipy.special import stdtrit  # noqa: PLC0415 - a third of a second, and few runs need it

    known = [estimate for estimate in estimates if estimate is not None]
    if len(known) < len(estimates):
        return None
    if len(known) == 1:
        return known[0]
    mean = fmean(estimate.value for estimate in known)
    t = float(stdtrit(len(known) - 1, (1.0 + confidence) / 2.0))
    seeds = t * stdev(estimate.value for estimate in known) / math.sqrt(len(known))
    # bounds are missing only together with the gain
    requests = fmean((estimate.high or 0.0) - (estimate.low or 0.0) for estimate in known) / 2.0
    half = math.hypot(seeds, requests)
    return Estimate(value=mean, low=mean - half, high=mean + half)
