"""Exact top-k: the best of all published ads for each query.

Ads are scored chunk by chunk, and of a chunk's scores only those that beat the k-th best so far are kept, while they
are in cache; so a query costs one reading of the embeddings. Chunks do not depend on the number of threads, so neither
does the answer.
Shapes: R queries, N ads, n ads of a chunk, T tasks that are read, K_t embedding width of task t.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtmd.config import Domains
from mtmd.errors import BundleError, ConfigError
from mtmd.serve.published import LARGEST, PublishedAds, beyond_float16
from mtmd.serve.scorer import Embeddings, Floats, Integers, first_best, tree_log_probability

CHUNK = 8192  # ads: their scores stay in cache, and scoring them takes far longer than calling for it
QUERIES = 64  # at once: with a chunk's scores for more of them the embeddings would leave the cache


@dataclass(frozen=True)
class Ranking:
    """What ads are ranked by.

    tasks    the tasks whose logits it reads
    reduce   their logits (R, n, T) float32 and the ads' bids (n,) float32 → scores (R, n) float32, finite; higher is
             better
    partial  whether ads of a product that lacks some of the tasks rank, with logits of −∞ for those: nothing happens
             there. Otherwise they rank nowhere, as do ads of a product that lacks all of them
    """

    tasks: tuple[str, ...]
    reduce: Callable[[Floats, Floats], Floats]
    partial: bool = False

    def takes(self, tasks: Collection[str]) -> bool:
        """Whether the ads of a product that has these tasks rank."""
        return (any if self.partial else all)(task in tasks for task in self.tasks)


@dataclass(frozen=True)
class TopAds:
    """The best ads of R queries, best first: k of them, or all that rank. Equal scores are in the ads' order.

    row    (R, k) int64, place among all published ads
    ad_id  (R, k) int64, or bytes where ids are texts
    score  (R, k) float32, as the ranking gave it
    """

    row: Integers
    ad_id: NDArray[Any]
    score: Floats


def by_task(domains: Domains, task: str) -> Ranking:
    """Rank by P(task | impression): by its logit where the task has no parent, else by its logarithm.

    Raises BundleError for an unknown task.
    """
    if task not in domains.task_names:
        raise BundleError(f"task {task!r} must be one of the bundle's: {list(domains.task_names)}")
    names = tuple(domains.task_names[place] for place in _chain(domains, task))
    return Ranking(names, _logit if len(names) == 1 else _log_probability)


def by_utility(domains: Domains, weights: Mapping[str, float]) -> Ranking:
    """Rank by what showing an ad is worth: its bid × Σ weight of a task × P(task | impression).

    A task that the ad's product lacks adds nothing. Raises BundleError for an unknown task, ConfigError without any or
    for a weight that is not a number.
    """
    if unknown := sorted(set(weights) - set(domains.task_names)):
        raise BundleError(
            f"weights are given to {unknown}; the bundle's tasks are {list(domains.task_names)}"
        )
    if not weights or not np.isfinite(list(weights.values())).all():
        raise ConfigError(f"weights ({dict(weights)}) must be numbers, of one task at least")
    places = sorted({place for task in weights for place in _chain(domains, task)})
    parents = [None if (up := domains.parents[place]) is None else places.index(up) for place in places]
    names = tuple(domains.task_names[place] for place in places)
    factors = np.array([weights.get(name, 0.0) for name in names], np.float32)

    def value(logits: Floats, bid: Floats) -> Floats:
        worth: Floats = (np.exp(tree_log_probability(logits, parents)) @ factors) * bid
        return worth

    return Ranking(names, value, partial=True)


def _chain(domains: Domains, task: str) -> list[int]:
    """The places of a task and of all its parents, the root first."""
    chain = [domains.task_names.index(task)]
    while (parent := domains.parents[chain[0]]) is not None:
        chain.insert(0, parent)
    return chain


def search(queries: Embeddings, ads: PublishedAds, ranking: Ranking, k: int, *, threads: int = 1) -> TopAds:
    """The k best ads of each query, exactly.

    threads scan side by side; the BLAS behind numpy should have one of its own (`OPENBLAS_NUM_THREADS=1`). Raises
    BundleError for queries of another bundle (naming both ids), or not finite in float16; ConfigError for k < 1.
    """
    _check_queries(queries, ads, ranking)
    if k < 1 or threads < 1:
        raise ConfigError(f"k ({k}) and threads ({threads}) must be at least 1")
    wanted = [queries.tasks[task] for task in ranking.tasks]
    groups = [
        _search([matrix[start : start + QUERIES] for matrix in wanted], ads, ranking, k, threads)
        for start in range(0, len(queries), QUERIES)
    ]
    each = [best for group in groups for best in group]
    rows = np.stack([best.rows for best in each]) if each else np.empty((0, 0), np.int64)
    scores = np.stack([best.scores for best in each]) if each else np.empty((0, 0), np.float32)
    return TopAds(rows, ads.ad_id[rows], scores)


def _check_queries(queries: Embeddings, ads: PublishedAds, ranking: Ranking) -> None:
    """Raise BundleError unless they are queries of the ads' bundle, finite in float16 in the tasks that are read."""
    if queries.bundle_id != ads.bundle_id:
        raise BundleError(
            f"the queries were embedded with bundle {queries.bundle_id}, the published ads with bundle "
            f"{ads.bundle_id}; embeddings of different bundles do not work together"
        )
    if queries.side != "query":
        raise BundleError(f"{queries.side} embeddings were given where query embeddings belong")
    for task in ranking.tasks:
        if len(rows := beyond_float16(queries.tasks[task])):
            raise BundleError(
                f"query {rows[0]} has a {task} embedding with a number beyond ±{LARGEST:g} or not a "
                "number; look at the request's features"
            )


@dataclass(frozen=True)
class _Chunk:
    """Ads of one block whose first is the `row`-th of all."""

    row: int
    tasks: Sequence[NDArray[Any] | None]  # None where the product lacks the task
    bid: Floats

    def logits(self, queries: Sequence[Floats]) -> Floats:
        """(R, n, T)"""
        shape = (len(queries[0]), len(self.bid))
        each = [
            np.full(shape, -np.inf, np.float32)
            if matrix is None
            else query @ np.asarray(matrix, np.float32).T
            for query, matrix in zip(queries, self.tasks, strict=True)
        ]
        return each[0][..., None] if len(each) == 1 else np.stack(each, axis=-1)


def _chunks(ads: PublishedAds, ranking: Ranking) -> Iterator[_Chunk]:
    first = 0
    for block in ads.blocks:
        if ranking.takes(block.tasks):
            matrices = [block.tasks.get(task) for task in ranking.tasks]
            for start in range(0, len(block), CHUNK):
                rows = slice(start, start + CHUNK)
                tasks = [None if matrix is None else matrix[rows] for matrix in matrices]
                yield _Chunk(first + start, tasks, block.bid[rows])
        first += len(block)


class _Best:
    """The k best of the scores that were offered, in ascending order of their rows."""

    def __init__(self, k: int) -> None:
        self.k = k
        self.rows: Integers = np.empty(0, np.int64)
        self.scores: Floats = np.empty(0, np.float32)
        self.floor = -np.inf

    def offer(self, first: int, scores: Floats) -> None:
        """Scores of rows from `first` on, all later than any before: one that equals the k-th best is too late."""
        new = np.flatnonzero(scores > self.floor)
        if len(new):
            self._keep(np.concatenate([self.rows, first + new]), np.concatenate([self.scores, scores[new]]))

    def merge(self, others: Sequence["_Best"]) -> None:
        """Take over what others were offered of other rows."""
        rows = np.concatenate([self.rows, *(other.rows for other in others)])
        scores = np.concatenate([self.scores, *(other.scores for other in others)])
        order = np.argsort(rows)
        self._keep(rows[order], scores[order])

    def sort(self) -> None:
        """Best first, equal ones in the order of their rows; nothing can be offered any more."""
        order = np.argsort(-self.scores, kind="stable")
        self.rows, self.scores = self.rows[order], self.scores[order]

    def _keep(self, rows: Integers, scores: Floats) -> None:
        kept = first_best(scores, self.k)
        self.rows, self.scores = rows[kept], scores[kept]
        if len(kept) == self.k:
            self.floor = self.scores.min()


def _search(
    queries: Sequence[Floats], ads: PublishedAds, ranking: Ranking, k: int, threads: int
) -> list[_Best]:
    pending, lock = _chunks(ads, ranking), Lock()
    scan = partial(_scan, queries, ranking, k, pending, lock)
    if threads == 1:
        mine, *others = [scan()]
    else:
        with ThreadPoolExecutor(threads) as pool:
            mine, *others = [running.result() for running in [pool.submit(scan) for _ in range(threads)]]
    for place, best in enumerate(mine):
        best.merge([other[place] for other in others])
        best.sort()
    return mine


def _scan(
    queries: Sequence[Floats], ranking: Ranking, k: int, pending: Iterator[_Chunk], lock: Lock
) -> list[_Best]:
    """The best of the chunks that this thread took, of each query."""
    found = [_Best(k) for _ in range(len(queries[0]))]
    while True:
        with lock:
            chunk = next(pending, None)
        if chunk is None:
            return found
        for best, scores in zip(found, ranking.reduce(chunk.logits(queries), chunk.bid), strict=True):
            best.offer(chunk.row, scores)


def _logit(logits: Floats, _: Floats) -> Floats:
    only: Floats = logits[..., 0]
    return only


def _log_probability(logits: Floats, _: Floats) -> Floats:
    """Of the last of a chain of tasks, each the parent of the next."""
    last: Floats = tree_log_probability(logits, [None, *range(logits.shape[-1] - 1)])[..., -1]
    return last
