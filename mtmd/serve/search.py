"""Exact top-k: the best of all published ads for each query.

Ads are scored chunk by chunk, and of a chunk's scores only those that beat the k-th best so far are kept, while they
are in cache; so a query costs one reading of the embeddings.
Shapes: R queries, N ads, n ads of a chunk, T tasks that are read, K_t embedding width of task t.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtmd.config import Domains
from mtmd.serve.published import PublishedAds
from mtmd.serve.scorer import Floats, Integers, tree_log_probability

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


def ranking_by(domains: Domains, by: str | Mapping[str, float]) -> Ranking:
    """Rank by P(task | impression), or by what showing an ad is worth: its bid × Σ weight of a task × P(task).

    A task without a parent ranks by its logit, others by the logarithm. A task that the ad's product lacks adds nothing
    to its worth. Raises ValueError for an unknown task.
    """
    wanted = {by} if isinstance(by, str) else set(by)
    places = sorted({place for task in wanted for place in _chain(domains, task)})
    parents = [None if (up := domains.parents[place]) is None else places.index(up) for place in places]
    names = tuple(domains.task_names[place] for place in places)
    if isinstance(by, str):
        return Ranking(names, lambda logits, _: _by_task(logits, parents))
    factors = np.array([by.get(name, 0.0) for name in names], np.float32)

    def worth(logits: Floats, bid: Floats) -> Floats:
        value: Floats = (np.exp(tree_log_probability(logits, parents)) @ factors) * bid
        return value

    return Ranking(names, worth, partial=True)


def _chain(domains: Domains, task: str) -> list[int]:
    """The places of a task and of all its parents, the root first; a parent comes before its children."""
    chain = [domains.task_names.index(task)]
    while (parent := domains.parents[chain[0]]) is not None:
        chain.insert(0, parent)
    return chain


def _by_task(logits: Floats, parents: Sequence[int | None]) -> Floats:
    """Of the last of a chain of tasks, each the parent of the next."""
    only: Floats = logits[..., 0]
    if len(parents) == 1:
        return only
    last: Floats = tree_log_probability(logits, parents)[..., -1]
    return last


def search(
    queries: Mapping[str, Floats], ads: PublishedAds, ranking: Ranking, k: int
) -> tuple[Integers, Floats]:
    """The k ≥ 1 best ads of each query, exactly: rows among all ads and scores (R, k), best first.

    queries  task → (R, K_t) float32, of the ads' bundle
    All that rank where these are fewer; equal scores are in the ads' order.
    """
    best = [_Best(k) for _ in queries[ranking.tasks[0]]]
    for start in range(0, len(best), QUERIES):
        group = slice(start, start + QUERIES)
        for first, scores in _scored([queries[task][group] for task in ranking.tasks], ads, ranking):
            for kept, of_query in zip(best[group], scores, strict=True):
                kept.offer(first, of_query)
    tops = [kept.best_first() for kept in best]
    rows = np.stack([rows for rows, _ in tops]) if tops else np.empty((0, 0), np.int64)
    return rows, np.stack([scores for _, scores in tops]) if tops else np.empty((0, 0), np.float32)


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


def first_best(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Indices of the k highest of (N,) scores in ascending order, the first ones of equal scores: (min(k, N),).

    For scores that are not NaN; takes time linear in N.
    """
    if len(scores) <= k:
        return np.arange(len(scores))
    level = np.partition(scores, -k)[-k]
    above = np.flatnonzero(scores > level)
    equal = np.flatnonzero(scores == level)[: k - len(above)]
    return np.sort(np.concatenate([above, equal]))
