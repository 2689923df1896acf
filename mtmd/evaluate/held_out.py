"""The held-out day as arrays, cut into slices and rank buckets once for all predictors.

P candidate rows in the day's order, T tasks, R requests, B rank buckets; N rows of one slice.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mtmd.config import Declarations, Slice
from mtmd.errors import EvaluationError, LogsError
from mtmd.evaluate.metrics import Integers, TeacherTargets, rank_buckets
from mtmd.extract.shards import Shard


@dataclass(frozen=True)
class HeldOutDay:
    """What the day's logs say, to compare predictions with.

    teacher     (P, T) float32, NaN where the task does not apply
    labels      (P, T) int8: 1 it happened, 0 it did not, −1 not observed
    impressed   (P,) bool
    domain      (P,) integers, surface · |products| + product
    request     (P,) integers, row of the request
    explored    (P,) bool, drawn at random from the eligible ads; None where the day has no such row
    """

    teacher: NDArray[np.float32]
    labels: NDArray[np.int8]
    impressed: NDArray[np.bool_]
    domain: Integers
    request: Integers
    explored: NDArray[np.bool_] | None = None

    @classmethod
    def of(cls, shard: Shard, declarations: Declarations) -> Self:
        """From a day's shard."""
        explored = shard.explored.numpy().astype(np.bool_)
        return cls(
            teacher=shard.teacher.numpy(),
            labels=shard.labels.numpy(),
            impressed=shard.impressed.numpy().astype(np.bool_),
            domain=shard.domain(len(declarations.domains.products)).numpy(),
            request=shard.request_row.numpy().astype(np.int64),
            explored=explored if explored.any() else None,
        )

    def check(self, declarations: Declarations) -> None:
        """Raise EvaluationError where the arrays do not fit each other or the declared tasks."""
        rows, tasks = len(self.domain), len(declarations.domains.tasks)
        wanted = {"teacher": (rows, tasks), "labels": (rows, tasks), "impressed": (rows,), "request": (rows,)}
        for name, shape in wanted.items():
            if (actual := getattr(self, name).shape) != shape:
                raise EvaluationError(
                    f"held-out {name} has shape {actual}; it must be {shape}: {rows} rows, tasks "
                    f"{list(declarations.domains.task_names)}; extract the day again with these declarations"
                )


@dataclass(frozen=True)
class SliceRows:
    """The rows of one slice: those of its domain that the teacher scored for its task.

    rows        (N,) rows of the day               teacher   TeacherTargets of N scores
    bucket      (N,) rank bucket, 0 = the top      seen      (B, R) bool: the request has a row in the bucket
    observed    (M,) which of the N rows were impressed and their action observed; action (M,) what happened
    """

    slice: Slice
    task: int
    rows: Integers
    teacher: TeacherTargets
    bucket: Integers
    seen: NDArray[np.bool_]
    observed: Integers
    action: NDArray[np.bool_]


def cut(day: HeldOutDay, declarations: Declarations, buckets: int) -> Iterator[SliceRows]:
    """Every declared slice of the day, task by task; a slice without rows comes empty.

    Raises LogsError naming the slice where a teacher score is not strictly between 0 and 1.
    """
    domains = declarations.domains
    members = [np.flatnonzero(day.domain == d) for d in range(len(domains.domains))]
    requests = int(day.request.max(initial=-1)) + 1
    for task, name in enumerate(domains.task_names):
        for d, domain in enumerate(domains.domains):
            if not domains.task_mask[d, task]:
                continue
            score = day.teacher[members[d], task]
            scored = ~np.isnan(score)
            rows, score = members[d][scored], score[scored]
            where = Slice(domain.surface, domain.product, name)
            _check_scores(where, score)
            bucket = rank_buckets(score, buckets)
            seen = np.zeros((buckets, requests), dtype=np.bool_)
            seen[bucket, day.request[rows]] = True
            label = day.labels[rows, task]
            observed = np.flatnonzero(day.impressed[rows] & (label >= 0))
            yield SliceRows(
                where, task, rows, TeacherTargets.of(score), bucket, seen, observed, label[observed] == 1
            )


def _check_scores(where: Slice, score: NDArray[np.float32]) -> None:
    bad = np.flatnonzero(~((score > 0.0) & (score < 1.0)))
    if len(bad):
        raise LogsError(
            f"{where}: {len(bad)} of {len(score)} teacher scores are not strictly between 0 and 1, such as "
            f"{score[bad[0]]}; the data suites refuse such a day: validate it before it is evaluated"
        )
