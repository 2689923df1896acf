"""The result of an evaluation: metrics of each predictor by slice and rank bucket, as JSON and look-ups."""

from datetime import date
from functools import cached_property
from math import erfc, expm1, log1p, sqrt
from typing import Self

from pydantic import ConfigDict, Field

from mtmd.config import EvaluationConfig, Frozen, Slice
from mtmd.config.domains import LearnFrom

ALL = "all"  # surface and product of the rows that aggregate a task over its slices
EVERYTHING = Slice(ALL, ALL, ALL)
Place = tuple[str, Slice, int | None]  # predictor, slice and rank bucket


class Estimate(Frozen):
    """A share with its interval, such as an improvement; no interval where there were too few rows for one."""

    value: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        """`9.17% [7.12, 10.98]`: two decimals, as in the paper's tables."""
        interval = (
            "" if self.low is None or self.high is None else f" [{100 * self.low:.2f}, {100 * self.high:.2f}]"
        )
        return f"{self.value:.2%}{interval}"

    def sign(self, noise: float = 0.0) -> int:
        """1 or -1 where the interval is on that side of 0, and another seed would change less; else 0."""
        if self.low is None or self.high is None or abs(self.value) < noise:
            return 0
        return (self.low > 0.0) - (self.high < 0.0)


class OfSlice(Frozen):
    """What is said of a slice, or of a task over its slices, whose surface and product are "all"."""

    model_config = ConfigDict(allow_inf_nan=False)

    surface: str
    product: str
    task: str

    @property
    def slice(self) -> Slice:
        return Slice(self.surface, self.product, self.task)

    @property
    def is_task(self) -> bool:
        """Whether this is a task over all its slices."""
        return self.surface == ALL


class SliceMetrics(OfSlice):
    """One predictor on one slice and bucket: a field for each row of `METRICS`; None where a number is undefined."""

    predictor: str
    bucket: int | None = Field(description="rank bucket inside each slice, 0 = top; None = all rows")
    rows: int = Field(
        description="candidate rows with a teacher score for the task; of one that learns from actions, shown ads"
    )
    requests: int = Field(description="distinct requests of those rows")
    logmae: float | None = Field(None, description="mean |ln p̂ − ln teacher|")
    contested: int = Field(
        0,
        description="winners, the top k of a request by teacher score, of requests with more than K candidates",
    )
    recall: float | None = Field(
        None, description="share of these that a cut to the predictor's best K keeps"
    )
    winner_kl: float | None = Field(None, description="KL over the winners of all requests")
    ne: float | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="log loss / that of the slice's rate of the day; of tasks that learn from actions",
    )
    kl: float | None = Field(None, description="mean Bernoulli KL(teacher ‖ predictor), nats")
    mae: float | None = Field(None, description="mean |p̂ − teacher|")
    bce: float | None = Field(None, description="mean cross-entropy with the teacher as target, nats")
    mean_prediction: float | None = None
    mean_teacher: float | None = None
    impressions: int = Field(0, description="rows that were impressed and whose action was observed")
    positives: int = Field(0, description="impressions where the user acted")
    auc: float | None = Field(None, description="on actions; None when a class is missing")
    log_loss: float | None = Field(None, description="on actions, nats; None without impressions")
    calibration: float | None = Field(None, description="Σ p̂ / Σ action; None without actions")
    errors: dict[str, float] = Field(
        {}, description="metric → standard error over requests, of its logarithm, of AUC itself; of all rows"
    )

    @property
    def teacher_calibration(self) -> float | None:
        """Mean prediction / mean teacher score: what the calibration gate holds between its bounds."""
        if self.mean_prediction is None or self.mean_teacher is None:
            return None
        return self.mean_prediction / self.mean_teacher


class Comparison(OfSlice):
    """The candidate against one reference on one slice and bucket, with what chance alone could do.

    From a paired bootstrap over requests; None where the rows are too few for a number.
    """

    reference: str
    metric: str = "logmae"
    bucket: int | None
    requests: float = Field(description="effective requests: fewer than are there when their rows differ")
    log_ratio: float | None = Field(
        description="ln(metric of the candidate / metric of the reference), or its negative where higher is better"
    )
    standard_error: float | None = Field(description="of log_ratio")
    low: float | None = Field(description="lower bound of the improvement")
    high: float | None = Field(description="upper bound of the improvement")

    @property
    def improvement(self) -> float | None:
        """1 − LogMAE of the candidate / LogMAE of the reference: positive = better (paper Table 1).

        Of a metric that should be high it is 1 − that of the reference / that of the candidate.
        """
        return None if self.log_ratio is None else 0.0 - expm1(self.log_ratio)  # never −0

    @property
    def estimate(self) -> Estimate | None:
        """The improvement with its interval, of all tasks over their rows together; None where it is undefined."""
        gain = self.improvement
        return None if gain is None else Estimate(value=gain, low=self.low, high=self.high)

    def worse_by_chance(self, margin: float) -> float | None:
        """One-sided p-value: so bad a ratio from a candidate that is at most `margin` worse (0.01 = 1 %).

        log_ratio is taken as normal with its standard error. None where there is none.
        """
        if self.log_ratio is None or self.standard_error is None:
            return None
        return upper_tail(self.log_ratio - log1p(margin), self.standard_error)


def upper_tail(excess: float, error: float) -> float:
    """P-value of an excess over a bound that is normal with this standard error."""
    if not error:
        return 0.0 if excess > 0.0 else 1.0
    return 0.5 * erfc(excess / error / sqrt(2.0))


class EvaluationReport(Frozen):
    """Every predictor on the held-out day; ablations join as further predictors.

    `metrics` holds, for each predictor, each slice and then each task's aggregate, all rows and every bucket;
    `comparisons` the candidate against each other predictor, all rows and the top buckets.
    """

    as_of: date
    candidate: str = Field(description="the predictor that is judged")
    predictors: tuple[str, ...]
    buckets: int
    winners: int = Field(0, description="k: ads of a request that the heavyweight ranker has on top")
    kept: int = Field(0, description="K: candidates of a request that a cut keeps")
    actions: dict[str, int] = Field(
        {},
        exclude_if=lambda tasks: not tasks,
        description="tasks that learn from actions, and after how many days their labels are final",
    )
    metrics: tuple[SliceMetrics, ...]
    comparisons: tuple[Comparison, ...]
    ages: dict[str, int] = Field(
        {},
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

    def get(self, predictor: str, where: Slice, bucket: int | None = None) -> SliceMetrics:
        """Metrics of one predictor on a slice or an aggregate; raises KeyError when it has none."""
        return self._index[predictor, where, bucket]

    def compared(
        self, reference: str, where: Slice, bucket: int | None = None, metric: str | None = None
    ) -> Comparison:
        """The candidate against a reference, by the error there; raises KeyError when they were not compared so."""
        return self._pairs[metric or self.error_at(where), (reference, where, bucket)]

    def error_at(self, where: Slice) -> str:
        """The metric that says how wrong a predictor is: `logmae` where there are scores, else `ne`.

        Of all tasks it is LogMAE if any task has it.
        """
        return "logmae" if "scores" in self.sources(where.task) else "ne"

    def sources(self, task: str) -> frozenset[LearnFrom]:
        """What a task learns from, or any of `all` tasks."""
        tasks = {where.task for where in self.aggregates} if task == ALL else {task}
        found: set[LearnFrom] = {"actions" if one in self.actions else "scores" for one in tasks}
        return frozenset(found)

    def logmae(self, predictor: str) -> float | None:
        """Over the rows of all tasks that have it: each row of each task counts once. None without such rows."""
        known = [(task.rows, task.logmae) for task in self._tasks(predictor) if task.logmae is not None]
        rows = sum(count for count, _ in known)
        return sum(count * value for count, value in known) / rows if rows else None

    def ne(self, predictor: str) -> float | None:
        """NE over the rows of all tasks that have it; None without such rows."""
        known = [(m.rows * m.log_loss, m.ne) for m in self._tasks(predictor) if m.ne and m.log_loss]
        return sum(loss for loss, _ in known) / sum(loss / ne for loss, ne in known) if known else None

    def error(self, predictor: str) -> float | None:
        """The error over all tasks, as `error_at` has it."""
        return self.logmae(predictor) if self.error_at(EVERYTHING) == "logmae" else self.ne(predictor)

    def noise_at(self, where: Slice) -> float:
        """The improvement of the error there below which another training seed may explain it."""
        return self.seed_noise if self.error_at(where) == "logmae" else EvaluationConfig.ne_noise

    def _tasks(self, predictor: str) -> list[SliceMetrics]:
        return [m for m in self.metrics if m.predictor == predictor and m.is_task and m.bucket is None]

    def of_candidate(self) -> Self:
        """The candidate's own metrics alone: what no other model decides."""
        own = [m.model_dump() for m in self.metrics if m.predictor == self.candidate]
        alone = {"predictors": (self.candidate,), "metrics": own, "comparisons": (), "ages": {}}
        return type(self).model_validate(self.model_dump() | alone)

    @cached_property
    def _pairs(self) -> dict[tuple[str, Place], Comparison]:
        return {(c.metric, (c.reference, c.slice, c.bucket)): c for c in self.comparisons}

    @cached_property
    def _index(self) -> dict[Place, SliceMetrics]:
        return {(m.predictor, m.slice, m.bucket): m for m in self.metrics}
