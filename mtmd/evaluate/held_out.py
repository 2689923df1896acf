"""The held-out day as arrays, cut into slices and rank buckets once for all predictors.

P candidate rows in the day's order, T tasks, R requests, B rank buckets; N rows of one slice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from mtmd.config import Declarations, EvaluationConfig, Slice
from mtmd.config.domains import LearnFrom
from mtmd.errors import LogsError
from mtmd.evaluate.metrics import ACTIONS, SCORES, ActionTargets, Integers, Targets, TeacherTargets
from mtmd.evaluate.report import ALL
from mtmd.extract.shards import Shard


@dataclass(frozen=True)
class HeldOutDay:
    """What the day's logs say, to compare predictions with.

    teacher     (P, T) float32, what tasks learn from: a score, NaN where the task does not apply; or 1 and 0 of shown
                ads, NaN of others
    labels      (P, T) int8: 1 it happened, 0 it did not, −1 not observed
    impressed   (P,) bool
    domain      (P,) integers, surface · |products| + product
    request     (P,) integers, row of the request
    """

    teacher: NDArray[np.float32]
    labels: NDArray[np.int8]
    impressed: NDArray[np.bool_]
    domain: Integers
    request: Integers

    @classmethod
    def of(cls, shard: Shard, declarations: Declarations) -> Self:
        """From a day's shard."""
        return cls(
            teacher=shard.teacher.numpy(),
            labels=shard.labels.numpy(),
            impressed=shard.impressed.numpy().astype(np.bool_),
            domain=shard.domain(len(declarations.domains.products)).numpy(),
            request=shard.request_row.numpy().astype(np.int64),
        )


@dataclass(frozen=True)
class SliceRows:
    """The rows of one slice: those of its domain that its task can learn from. Or of a task's slices together.

    rows        (N,) rows of the day               request   (N,) rows of their requests
    teacher     Targets of N scores or actions     bucket    (N,) rank bucket, 0 = the top; of actions there is none
    observed    (M,) which of the N rows were impressed and their action observed; action (M,) what happened
    requests    distinct requests of all rows, then of each bucket's
    """

    slice: Slice
    task: int
    rows: Integers
    request: Integers
    teacher: Targets
    bucket: Integers
    observed: Integers
    action: NDArray[np.bool_]
    requests: tuple[int, ...]

    @property
    def source(self) -> LearnFrom:
        return ACTIONS if isinstance(self.teacher, ActionTargets) else SCORES

    def within(self, start: int, stop: int) -> Self:
        """Its rows of the requests start to stop − 1; `requests` stay those of all."""
        rows = slice(*np.searchsorted(self.request, [start, stop]))
        seen = slice(*np.searchsorted(self.observed, [rows.start, rows.stop]))
        return replace(
            self,
            rows=self.rows[rows],
            request=self.request[rows],
            teacher=type(self.teacher)(*(one[rows] for one in self.teacher)),
            bucket=self.bucket[rows],
            observed=self.observed[seen] - rows.start,
            action=self.action[seen],
        )


class Scored(NamedTuple):
    """A predictor's (P, T) log-probabilities, and whether a cut by each task's keeps the candidate in its request."""

    log_p: NDArray[np.floating]
    kept: NDArray[np.bool_]

    @classmethod
    def of(cls, day: HeldOutDay, log_p: NDArray[np.floating], most: int) -> Self:
        """`most` candidates of a request that have the task are kept; log-probabilities of others are not read."""
        score = np.where(np.isnan(day.teacher), np.nan, log_p)
        return cls(log_p, np.column_stack([places(day.request, own) < most for own in score.T]))


def places(request: Integers, score: NDArray[np.floating]) -> Integers:
    """(N,) place of each row among its request's by score, from 0, the highest; NaN comes last.

    `request` (N,) is ascending. Equal scores are in the order of the rows, as in an answer of the service.
    """
    place = np.empty(len(request), np.int64)
    place[np.lexsort((-score, request))] = np.arange(len(request)) - np.searchsorted(request, request)
    return place


def cut(day: HeldOutDay, declarations: Declarations, config: EvaluationConfig) -> Iterator[SliceRows]:
    """Every declared slice of the day, task by task; a slice without rows comes empty.

    Raises LogsError naming the slice where a teacher score is not strictly between 0 and 1.
    """
    domains = declarations.domains
    members = [np.flatnonzero(day.domain == d) for d in range(len(domains.domains))]
    for task, declared in enumerate(domains.tasks):
        of_task = day.teacher[:, task]
        winner = places(day.request, of_task) < config.winners
        many = np.bincount(day.request[~np.isnan(of_task)], minlength=int(day.request.max(initial=0)) + 1)
        contest = many[day.request] > config.kept
        for d, domain in enumerate(domains.domains):
            if not domains.task_mask[d, task]:
                continue
            where = Slice(domain.surface, domain.product, declared.name)
            score = of_task[members[d]]
            rows, score = members[d][~np.isnan(score)], score[~np.isnan(score)]
            request, label = day.request[rows], day.labels[rows, task]
            observed = np.flatnonzero(day.impressed[rows] & (label >= 0))
            teacher: Targets = ActionTargets.of(score)
            bucket, buckets = np.zeros(len(rows), np.int64), 0
            if not declared.from_actions:
                _check_scores(where, score)
                teacher = TeacherTargets.of(score, winner[rows], contest[rows])
                bucket, buckets = rank_buckets(score, config.buckets), config.buckets
            yield SliceRows(
                where, task, rows, request, teacher, bucket, observed, label[observed] == 1,
                _requests(request, bucket, buckets),
            )  # fmt: skip


def whole_tasks(slices: Sequence[SliceRows]) -> Iterator[tuple[SliceRows, list[SliceRows]]]:
    """Each task over its slices, and these: a bucket is the union of that bucket over the slices."""
    for name in dict.fromkeys(part.slice.task for part in slices):
        parts = [part for part in slices if part.slice.task == name]
        rows, request, bucket, action = (
            np.concatenate([getattr(part, field) for part in parts])
            for field in ("rows", "request", "bucket", "action")
        )
        teacher = type(parts[0].teacher)(
            *map(np.concatenate, zip(*(part.teacher for part in parts), strict=True))
        )
        starts = np.cumsum([0, *(len(part.rows) for part in parts)])
        observed = np.concatenate([part.observed + start for part, start in zip(parts, starts, strict=False)])
        counts = _requests(request, bucket, len(parts[0].requests) - 1)
        yield (
            SliceRows(Slice(ALL, ALL, name), parts[0].task, rows, request, teacher, bucket, observed, action, counts),
            parts,
        )  # fmt: skip


def rank_buckets(teacher: NDArray[np.floating], buckets: int) -> Integers:
    """Bucket of each row of one slice by teacher score (paper Table 6): (N,) scores → (N,) integers below `buckets`.

    The row of rank r (0 = highest score) falls in bucket ⌊r · buckets / N⌋, so counts differ by at most one.
    Equal scores keep their order in the day's candidates (by request, then ad): the same logs always give the
    same buckets. With fewer rows than buckets some buckets stay empty.
    """
    rows = len(teacher)
    order = np.argsort(-teacher, kind="stable")
    bucket = np.empty(rows, dtype=np.int64)
    bucket[order] = np.arange(rows) * buckets // max(rows, 1)
    return bucket


def _requests(request: Integers, bucket: Integers, buckets: int) -> tuple[int, ...]:
    """Distinct requests of all rows, then of each bucket's."""
    if not buckets:
        return (len(np.unique(request)),)
    pairs = np.unique(request * buckets + bucket)
    return len(np.unique(request)), *np.bincount(pairs % buckets, minlength=buckets).tolist()


def _check_scores(where: Slice, score: NDArray[np.float32]) -> None:
    bad = np.flatnonzero(~((score > 0.0) & (score < 1.0)))
    if len(bad):
        raise LogsError(
            f"{where}: {len(bad)} of {len(score)} teacher scores are not strictly between 0 and 1, such as "
            f"{score[bad[0]]}; the data suites refuse such a day: validate it before it is evaluated"
        )
