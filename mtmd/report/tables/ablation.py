"""The paper's Table 6: what each factor contributes to LogMAE, in the top rank buckets and over all rows."""

import math
from collections.abc import Iterable, Sequence
from statistics import fmean, stdev

from pydantic import Field

from mtmd.config import Frozen, Slice, Variant
from mtmd.errors import EvaluationError
from mtmd.evaluate.report import ALL, EVERYTHING, Estimate, EvaluationReport
from mtmd.report.tables.evaluation import Column, Table, bucket_columns, compared_buckets


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
        for bucket in compared_buckets(reports[0])
    )


def factor_table(
    reports: Sequence[EvaluationReport], variants: Iterable[Variant], where: Slice = EVERYTHING
) -> Table:
    """One row per factor, columns 0 to 4 and all, as in Table 6; the last column says what chance explains."""
    rows: dict[str, list[Contribution]] = {}
    for contribution in contributions(reports, variants, where):
        rows.setdefault(contribution.variant, []).append(contribution)
    task = "all tasks" if where.task == ALL else where.task
    seeds = f"{len(reports)} seeds"
    if len(reports) == 1:
        seeds = f"one seed: below {reports[0].seed_noise:.0%} is noise, which the intervals do not know of"
    return Table(
        title=f"Contribution to LogMAE by rank bucket (0 = top), {task}, {reports[0].as_of}, {seeds}",
        columns=(
            Column(name="factor", kind="text"),
            *bucket_columns(compared_buckets(reports[0])),
            Column(name="verdict", kind="text"),
        ),
        rows=tuple(
            (row[0].factor, *(contribution.improvement for contribution in row), _verdict(row[-1]))
            for row in rows.values()
        ),
    )


def _verdict(over_all: Contribution) -> str:
    if over_all.improvement is None or not over_all.clear:
        return "within noise"
    return "helps" if over_all.improvement.value > 0 else "hurts"


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
