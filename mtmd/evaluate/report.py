"""The result of an evaluation: metrics of each predictor by slice and rank bucket, as JSON and look-ups."""

from datetime import date
from functools import cached_property
from math import erfc, expm1, log1p, sqrt
from typing import Any, Self

from pydantic import ConfigDict, Field

from mtmd.config import Frozen, Slice
from mtmd.errors import EvaluationError

ALL = "all"  # surface and product of the rows that aggregate a task over its slices
EVERYTHING = Slice(ALL, ALL, ALL)


class Estimate(Frozen):
    """A share with its interval, such as an improvement; no interval where there were too few rows for one."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def interval(self) -> str:
        """`[7.12, 10.98]`, in percent; empty without an interval."""
        if self.low is None or self.high is None:
            return ""
        return f"[{100 * self.low:.2f}, {100 * self.high:.2f}]"

    def __str__(self) -> str:
        """`9.17% [7.12, 10.98]`: two decimals, as in the paper's tables."""
        return f"{self.value:.2%} {self.interval}".rstrip()


class SliceMetrics(Frozen):
    """One predictor on one slice and bucket; None where a number is undefined; NaN is refused."""

    model_config = ConfigDict(allow_inf_nan=False)

    predictor: str
    surface: str = Field(description=f"{ALL!r} in the aggregate of a task, like `product`")
    product: str
    task: str
    bucket: int | None = Field(description="rank bucket inside each slice, 0 = top; None = all rows")
    rows: int = Field(description="candidate rows with a teacher score for the task")
    requests: int = Field(description="distinct requests of those rows")
    logmae: float | None = Field(description="mean |ln p̂ − ln teacher|")
    kl: float | None = Field(description="mean Bernoulli KL(teacher ‖ predictor), nats")
    mae: float | None = Field(description="mean |p̂ − teacher|")
    bce: float | None = Field(description="mean cross-entropy with the teacher as target, nats")
    mean_prediction: float | None
    mean_teacher: float | None
    impressions: int = Field(description="rows that were impressed and whose action was observed")
    positives: int = Field(description="impressions where the user acted")
    auc: float | None = Field(description="on actions; None when a class is missing")
    log_loss: float | None = Field(description="on actions, nats; None without impressions")
    calibration: float | None = Field(description="Σ p̂ / Σ action; None without actions")
    calibration_error: float | None = Field(
        None, description="standard error of ln(mean p̂ / mean teacher) over requests; of slices, all rows"
    )
    auc_error: float | None = Field(
        None,
        exclude_if=lambda error: error is None,
        description="standard error of auc over requests; of all rows, None in older reports",
    )
    log_loss_error: float | None = Field(
        None,
        exclude_if=lambda error: error is None,
        description="standard error of ln(log_loss) over requests; of all rows, None in older reports",
    )

    @property
    def slice(self) -> Slice:
        return Slice(self.surface, self.product, self.task)

    @property
    def teacher_calibration(self) -> float | None:
        """Mean prediction / mean teacher score: what the calibration gate holds between its bounds."""
        if self.mean_prediction is None or self.mean_teacher is None:
            return None
        return self.mean_prediction / self.mean_teacher


class Comparison(Frozen):
    """The candidate against one reference on one slice and bucket, with what chance alone could do.

    From a paired bootstrap over requests; None where the rows are too few for a number.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    reference: str
    surface: str
    product: str
    task: str
    bucket: int | None
    requests: float = Field(description="effective requests: fewer than are there when their rows differ")
    log_ratio: float | None = Field(description="ln(LogMAE of the candidate / LogMAE of the reference)")
    standard_error: float | None = Field(description="of log_ratio")
    low: float | None = Field(description="lower bound of the improvement")
    high: float | None = Field(description="upper bound of the improvement")

    @property
    def slice(self) -> Slice:
        return Slice(self.surface, self.product, self.task)

    @property
    def improvement(self) -> float | None:
        """1 − LogMAE of the candidate / LogMAE of the reference: positive = better (paper Table 1)."""
        return None if self.log_ratio is None else -expm1(self.log_ratio)

    def worse_by_chance(self, margin: float) -> float | None:
        """One-sided p-value: so bad a ratio from a candidate that is at most `margin` worse (0.01 = 1 %).

        log_ratio is taken as normal with its standard error. None where there is none.
        """
        if self.log_ratio is None or self.standard_error is None:
            return None
        excess = self.log_ratio - log1p(margin)
        if self.standard_error == 0.0:
            return 0.0 if excess > 0.0 else 1.0
        return 0.5 * erfc(excess / self.standard_error / sqrt(2.0))


class ColdMetrics(Frozen):
    """Rows whose value of a feature the window never had, over all slices of a task; None without such rows."""

    model_config = ConfigDict(allow_inf_nan=False)

    feature: str
    task: str
    rows: int = Field(description="candidate rows with a teacher score for the task, and a cold value")
    others: int = Field(description="the task's other rows")
    logmae: dict[str, float | None] = Field(
        description="predictor → mean |ln p̂ − ln teacher| of the cold rows"
    )
    logmae_of_others: dict[str, float | None]
    comparisons: tuple[Comparison, ...] = Field(
        (), description="the candidate against each other predictor on the cold rows"
    )


class ExploredMetrics(Frozen):
    """A task's rows that were drawn at random from the eligible ads, and its chosen rows, over all of its slices.

    Each by predictor; None without rows.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    task: str
    rows: int = Field(description="explored candidate rows with a teacher score for the task")
    chosen: int = Field(description="the task's other rows")
    logmae: dict[str, float | None] = Field(description="mean |ln p̂ − ln teacher| of the explored rows")
    logmae_of_chosen: dict[str, float | None]
    calibration: dict[str, float | None] = Field(description="mean p̂ / mean teacher of the explored rows")
    calibration_of_chosen: dict[str, float | None]


def _of_one(figures: ColdMetrics | ExploredMetrics, predictor: str) -> dict[str, Any]:
    """The figures with what they say by predictor cut to one."""
    return {
        key: {predictor: value[predictor]} if isinstance(value, dict) else value
        for key, value in figures.model_dump().items()
    }


class EvaluationReport(Frozen):
    """Every predictor on the held-out day; ablations join as further predictors.

    `metrics` holds, for each predictor, each slice and then each task's aggregate, all rows and every bucket;
    `comparisons` the candidate against each other predictor, all rows and the top buckets.
    """

    as_of: date
    candidate: str = Field(description="the predictor that is judged")
    predictors: tuple[str, ...]
    buckets: int
    metrics: tuple[SliceMetrics, ...]
    comparisons: tuple[Comparison, ...]
    cold: tuple[ColdMetrics, ...] = Field(
        (), exclude_if=lambda cold: not cold, description="feature by feature, task by task"
    )
    explored: tuple[ExploredMetrics, ...] = Field(
        (), exclude_if=lambda explored: not explored, description="task by task; empty without explored rows"
    )
    ages: dict[str, int] = Field(
        {},
        exclude_if=lambda ages: not ages,
        description="days from the end of a rival's window to as_of, where an earlier day trained it; else that is 1",
    )
    confidence: float = Field(description="of the comparisons' intervals, such as 0.95")
    seed_noise: float = Field(
        0.0,
        description="improvements below this are noise between trainings, which the intervals do not know of",
    )

    @cached_property
    def slices(self) -> tuple[Slice, ...]:
        """The slices, in the order of the declarations."""
        return tuple(dict.fromkeys(m.slice for m in self.metrics if m.surface != ALL))

    @cached_property
    def compared_buckets(self) -> tuple[int | None, ...]:
        """The rank buckets that have intervals, top first, then None for all rows."""
        buckets = {pair.bucket for pair in self.comparisons}
        return (*sorted(bucket for bucket in buckets if bucket is not None), None)

    @cached_property
    def aggregates(self) -> tuple[Slice, ...]:
        """One ("all", "all", task) per task."""
        return tuple(dict.fromkeys(m.slice for m in self.metrics if m.surface == ALL))

    def called(self, predictor: str) -> str:
        """A predictor's name, with its age where an earlier day trained it: `per_slice (5 days old)`."""
        age = self.ages.get(predictor)
        return predictor if age is None else f"{predictor} ({age} days old)"

    def get(self, predictor: str, where: Slice, bucket: int | None = None) -> SliceMetrics:
        """Metrics of one predictor on a slice or an aggregate; raises EvaluationError when it has none."""
        found = self._index.get((predictor, where, bucket))
        if found is None:
            raise EvaluationError(
                f"no metrics of {predictor!r} on {Slice(*where)}, bucket {bucket}; predictors: "
                f"{list(self.predictors)}; buckets: 0 to {self.buckets - 1} or None; slices: see .slices"
            )
        return found

    def compared(self, reference: str, where: Slice, bucket: int | None = None) -> Comparison:
        """The candidate against a reference; raises EvaluationError when they were not compared there."""
        found = self._pairs.get((reference, where, bucket))
        if found is None:
            raise EvaluationError(
                f"{self.candidate!r} was not compared with {reference!r} on {where}, bucket {bucket}; "
                f"predictors: {list(self.predictors)}; slices: see .slices and .aggregates"
            )
        return found

    def of_candidate(self) -> Self:
        """The candidate's own metrics alone: what no other model decides."""
        own = tuple(m for m in self.metrics if m.predictor == self.candidate)
        alone = {
            "predictors": (self.candidate,),
            "metrics": own,
            "comparisons": (),
            "cold": tuple(_of_one(cold, self.candidate) | {"comparisons": ()} for cold in self.cold),
            "explored": tuple(_of_one(explored, self.candidate) for explored in self.explored),
            "ages": {},
        }
        return type(self).model_validate(self.model_dump() | alone)

    def improvement(
        self, predictor: str, reference: str, where: Slice, bucket: int | None = None
    ) -> float | None:
        """1 − LogMAE of `predictor` / LogMAE of `reference`: positive = better (paper Table 1).

        None where one is undefined. Raises EvaluationError for a predictor, slice or bucket that the report lacks.
        """
        logmae = self.get(predictor, where, bucket).logmae
        rival = self.get(reference, where, bucket).logmae
        return None if logmae is None or not rival else 1.0 - logmae / rival

    @cached_property
    def _pairs(self) -> dict[tuple[str, Slice, int | None], Comparison]:
        return {(c.reference, c.slice, c.bucket): c for c in self.comparisons}

    @cached_property
    def _index(self) -> dict[tuple[str, Slice, int | None], SliceMetrics]:
        return {(m.predictor, m.slice, m.bucket): m for m in self.metrics}
