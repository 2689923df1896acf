"""A model at work: the query towers of a bundle over the ads that were published with it (paper §1, §2.2).

The top k are exact. Ads are scored chunk by chunk, and of a chunk's scores only those that beat the k-th best so far
are kept, while they are in cache; so a query costs one reading of the embeddings.

Shapes: R requests or queries, k ads of each, N ads, n ads of a chunk or rows of a publication, T tasks that are read,
K_t embedding width of task t.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtmd.config import Domains
from mtmd.errors import BundleError, LogsError
from mtmd.logs.contract import Id, id_array
from mtmd.serve.published import LARGEST, PublishedAds, rows_beyond
from mtmd.serve.scorer import Embeddings, Floats, Integers, Scorer, tree_log_probability

CHUNK = 8192  # ads: their scores stay in cache, and scoring them takes far longer than calling for it
QUERIES = 64  # at once: with a chunk's scores for more of them the embeddings would leave the cache
Row = dict[str, Any]  # raw, as the log contract has it: an absent column is null


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


@dataclass(frozen=True)
class Ranked:
    """The best ads of R requests, best first; as many of each, since which ads rank does not depend on the request.

    ad_id        (R, k) int64, or bytes where ids are texts (`mtmd/logs/contract.py`)
    score        (R, k) float32, as the ranking gave it
    probability  (R, k, T) float32, of each task; NaN where the ad's product lacks it
    unpublished  (m,) as ad_id, ids that were asked for and are not among the published ads
    """

    ad_id: NDArray[Any]
    score: Floats
    probability: Floats
    unpublished: NDArray[Any]


class Ranker:
    """One model and its ads; nothing in it ever changes, so threads may share it."""

    def __init__(self, model_id: str, scorer: Scorer, ads: PublishedAds) -> None:
        """Raises BundleError, naming both ids, for ads of another bundle."""
        if scorer.info.bundle_id != ads.bundle_id:
            raise BundleError(
                f"model {model_id!r} is bundle {scorer.info.bundle_id}, the ads are of bundle {ads.bundle_id}; "
                "embeddings of different bundles do not work together"
            )
        self.model_id, self.scorer, self.ads = model_id, scorer, ads

    @property
    def bundle_id(self) -> str:
        return self.scorer.info.bundle_id

    def embed(self, requests: Sequence[Row]) -> Embeddings:
        """Embeddings of raw requests of any surfaces; each runs through its own surface's experts alone.

        Raises LogsError for an unknown surface, a value not as declared, or features so far out that an embedding is
        not a number.
        """
        surfaces = self.scorer.info.declarations.domains.surfaces
        for number, row in enumerate(requests):
            if row.get("surface") not in surfaces:
                raise LogsError(
                    f"request {number} has surface {row.get('surface')!r}; it must be one of {list(surfaces)}"
                )
        domain = np.array([surfaces.index(row["surface"]) for row in requests], np.int64)
        queries = self.scorer.embed_rows("query", domain, self.scorer.encode(requests, "query"))
        for task, matrix in queries.tasks.items():
            if len(places := rows_beyond(matrix)):
                raise LogsError(
                    f"request {places[0]} has features that give a {task} embedding beyond "
                    f"±{LARGEST:g}; its numbers must be such as the logs have"
                )
        return queries

    def rank(
        self, requests: Sequence[Row], ranking: Ranking, k: int, ad_ids: Sequence[Id] | None = None
    ) -> Ranked:
        """The k best ads of each raw request, exactly: of all published ads, or of those with the given ids.

        Raises LogsError as `embed` does.
        """
        queries, ads = self.embed(requests), self.ads
        unpublished: NDArray[Any] = np.empty(0, np.int64)
        if ad_ids is not None:
            rows, unpublished = ads.find(id_array(ad_ids, self.scorer.info.declarations.ids.ad))
            ads = ads.subset(rows)
        rows, scores = search(queries.tasks, ads, ranking, k)
        items = self._items(ads, rows.reshape(-1))
        pairs = np.repeat(np.arange(len(rows)), rows.shape[1]), np.arange(len(items))
        probability = np.exp(self.scorer.score(queries, items, *pairs))
        return Ranked(
            ads.ad_id[rows], scores, probability.reshape(*rows.shape, len(self.scorer.tasks)), unpublished
        )

    def _items(self, ads: PublishedAds, rows: Integers) -> Embeddings:
        """Item embeddings of some rows in any order, in float32; zeros for tasks that the product lacks."""
        info = self.scorer.info
        domain = np.zeros(len(rows), np.int64)
        tasks = {task: np.zeros((len(rows), width), np.float32) for task, width in info.widths.items()}
        owner = np.searchsorted(ads.starts, rows, side="right") - 1
        for number in np.unique(owner):
            block, places = ads.blocks[number], np.flatnonzero(owner == number)
            domain[places] = info.declarations.domains.products.index(block.product)
            for task, matrix in block.tasks.items():
                tasks[task][places] = matrix[rows[places] - ads.starts[number]]
        return Embeddings(ads.bundle_id, "item", domain, tasks)
