"""Exact top-k: the best of all published ads for each query.

Ads are scored chunk by chunk, and of a chunk's scores only those that beat the k-th best so far are kept, while they
are in cache; so a query costs one reading of the embeddings.
Shapes: R queries, N ads, n ads of a chunk, T tasks that are read, K_t embedding width of task t.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtmd.config import Domains
from mtmd.errors import BundleError, ConfigError
from mtmd.serve.published import LARGEST, PublishedAds, rows_beyond
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


def _logit(logits: Floats, _: Floats) -> Floats:
    only: Floats = logits[..., 0]
    return only


def _log_probability(logits: Floats, _: Floats) -> Floats:
    """Of the last of a chain of tasks, each the parent of the next."""
    last: Floats = tree_log_probability(logits, [None, *range(logits.shape[-1] - 1)])[..., -1]
    return last


def search(queries: Embeddings, ads: PublishedAds, ranking: Ranking, k: int) -> TopAds:
    """The k best ads of each query, exactly.

    Raises BundleError for queries of another bundle (naming both ids), or with numbers beyond ±LARGEST; ConfigError
    for k < 1.
    """
    _check_queries(queries, ads, ranking)
    if k < 1:
        raise ConfigError(f"k ({k}) must be at least 1")
    best = [_Best(k) for _ in range(len(queries))]
    for start in range(0, len(queries), QUERIES):
        group = slice(start, start + QUERIES)
        wanted = [queries.tasks[task][group] for task in ranking.tasks]
        for first, scores in _scored(wanted, ads, ranking):
            for kept, of_query in zip(best[group], scores, strict=True):
                kept.offer(first, of_query)
    tops = [kept.best_first() for kept in best]
    rows = np.stack([rows for rows, _ in tops]) if tops else np.empty((0, 0), np.int64)
    scores = np.stack([scores for _, scores in tops]) if tops else np.empty((0, 0), np.float32)
    return TopAds(rows, ads.ad_id[rows], scores)


def _check_queries(queries: Embeddings, ads: PublishedAds, ranking: Ranking) -> None:
    if queries.bundle_id != ads.bundle_id:
        raise BundleError(
            f"the queries were embedded with bundle {queries.bundle_id}, the published ads with bundle "
            f"{ads.bundle_id}; embeddings of different bundles do not work together"
        )
    if queries.side != "query":
        raise BundleError(f"{queries.side} embeddings were given where query embeddings belong")
    for task in ranking.tasks:
        if len(rows := rows_beyond(queries.tasks[task])):
            raise BundleError(
                f"query {rows[0]} has a {task} embedding with a number beyond ±{LARGEST:g} or not a "
                "number; look at the request's features"
            )


def _scored(queries: Sequence[Floats], ads: PublishedAds, ranking: Ranking) -> Iterator[tuple[int, Floats]]:
    """Of each chunk of ads that rank: the row of its first ad, and the scores (R, n)."""
    for block, block_start in zip(ads.blocks, ads.starts, strict=False):
        if not ranking.takes(block.tasks):
            continue
        for start in range(0, len(block), CHUNK):
            rows = slice(start, start + CHUNK)
            bid = block.bid[rows]
            logits = [
                np.full((len(query), len(bid)), -np.inf, np.float32)
                if (matrix := block.tasks.get(task)) is None  # the product lacks the task
                else query @ matrix[rows].T
                for task, query in zip(ranking.tasks, queries, strict=True)
            ]
            stacked = logits[0][..., None] if len(logits) == 1 else np.stack(logits, axis=-1)  # (R, n, T)
            yield int(block_start) + start, ranking.reduce(stacked, bid)


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
        if not len(new):
            return
        rows, scores = np.concatenate([self.rows, first + new]), np.concatenate([self.scores, scores[new]])
        kept = first_best(scores, self.k)
        self.rows, self.scores = rows[kept], scores[kept]
        if len(kept) == self.k:
            self.floor = self.scores.min()

    def best_first(self) -> tuple[Integers, Floats]:
        """Rows and scores, best first; equal scores in the order of their rows."""
        order = np.argsort(-self.scores, kind="stable")
        return self.rows[order], self.scores[order]
