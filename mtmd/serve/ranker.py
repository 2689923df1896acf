"""A model at work: the query towers of a bundle over the ads that were published with it (paper §1, §2.2).

The top k are exact. Ads are scored chunk by chunk, and of a chunk's scores only those that beat the k-th best so far
are kept, while they are in cache; so a query costs one reading of the embeddings. Where ads are published in whole
numbers too, these are read, and the best few times k of them are scored exactly.

Shapes: R requests or queries, k ads of each, N ads, n ads of a chunk or rows of a publication, T tasks that are read,
K_t embedding width of task t.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtmd.config import Domains
from mtmd.errors import LogsError
from mtmd.logs.contract import Id, id_array
from mtmd.serve.published import LARGEST, AdBlock, PublishedAds, rows_beyond
from mtmd.serve.scorer import Embeddings, Floats, Integers, Scorer, WholeQueries, tree_log_probability

CHUNK = 8192  # ads: their scores stay in cache, and scoring them takes far longer than calling for it
QUERIES = 64  # at once: with a chunk's scores for more of them the embeddings would leave the cache
SPARE = 4  # times k ads are found by whole numbers, to be scored exactly; at least LEAST
LEAST = 64
FEW = 8  # queries: for so many, OpenBLAS's products of matrices take up to four times as long as dot products
Row = dict[str, Any]  # raw, as the log contract has it: an absent column is null


@dataclass(frozen=True)
class Ranking:
    """What ads are ranked by: P(task | impression), or what showing an ad is worth.

    tasks    the tasks whose logits it reads, a parent before its children
    parents  the place of each one's parent among them
    weights  of each task in a worth; None ranks by the last of the tasks, whose parents the others are
    """

    tasks: tuple[str, ...]
    parents: tuple[int | None, ...]
    weights: Floats | None = None

    def takes(self, tasks: Collection[str]) -> bool:
        """Whether the ads of a product that has these tasks rank: it has the task, or any that is worth something."""
        return (all if self.weights is None else any)(task in tasks for task in self.tasks)

    def scores(self, logits: Floats, bid: Floats) -> Floats:
        """(R, n), finite; higher is better. From logits (R, n, T), −∞ for a task that a product lacks, and bids (n,).

        A task without a parent ranks by its logit, others by the logarithm of P. A worth is bid × Σ weight × P.
        """
        if self.weights is None and len(self.tasks) == 1:
            return logits[..., 0]
        log_p = tree_log_probability(logits, self.parents)
        if self.weights is None:
            return log_p[..., -1]
        worth: Floats = (np.exp(log_p) @ self.weights) * bid
        return worth


def ranking_by(domains: Domains, by: str | Mapping[str, float]) -> Ranking:
    """Rank by a task, or by weights of tasks; raises ValueError for an unknown task."""
    wanted = {by} if isinstance(by, str) else set(by)
    places = sorted({place for task in wanted for place in _chain(domains, task)})
    parents = tuple(None if (up := domains.parents[place]) is None else places.index(up) for place in places)
    names = tuple(domains.task_names[place] for place in places)
    weights = None if isinstance(by, str) else np.array([by.get(name, 0.0) for name in names], np.float32)
    return Ranking(names, parents, weights)


def _chain(domains: Domains, task: str) -> Iterator[int]:
    """The places of a task and of all its parents."""
    place: int | None = domains.task_names.index(task)
    while place is not None:
        yield place
        place = domains.parents[place]


def search(
    queries: Mapping[str, Floats], ads: PublishedAds, ranking: Ranking, k: int
) -> tuple[Integers, Floats]:
    """The k ≥ 1 best ads of each query, exactly, nearly so of ads with int8: rows among all ads and scores (R, k).

    The best stand first.

    queries  task → (R, K_t) float32, of the ads' bundle
    All that rank where these are fewer; equal scores are in the ads' order.
    """
    matrices = [queries[task] for task in ranking.tasks]
    tops: list[tuple[Integers, Floats]] = []
    for start in range(0, len(matrices[0]), QUERIES):
        group = [matrix[start : start + QUERIES] for matrix in matrices]
        if len(ads) > (few := max(SPARE * k, LEAST)) and ads.has_int8:
            near = np.unique([rows for rows, _ in _best(group, ads, ranking, few, int8=True)])
            found = _best(group, ads.subset(near), ranking, k)
            tops += [(near[places], scores) for places, scores in found]
        else:
            tops += _best(group, ads, ranking, k)
    orders = [np.argsort(-scores, kind="stable") for _, scores in tops]
    shape = (len(tops), len(orders[0]) if orders else 0)
    rows = [rows[order] for (rows, _), order in zip(tops, orders, strict=True)]
    values = [scores[order] for (_, scores), order in zip(tops, orders, strict=True)]
    return np.array(rows, np.int64).reshape(shape), np.array(values, np.float32).reshape(shape)


def _best(
    queries: Sequence[Floats], ads: PublishedAds, ranking: Ranking, k: int, *, int8: bool = False
) -> list[tuple[Integers, Floats]]:
    """Of each query its k best rows, ascending, and their scores: exact, or nearly so by whole numbers."""
    best = [(np.empty(0, np.int64), np.empty(0, np.float32)) for _ in queries[0]]
    for first, scores in _scored(queries, ads, ranking, int8=int8):
        best = [_better(own, first, new, k) for own, new in zip(best, scores, strict=True)]
    return best


def _scored(
    queries: Sequence[Floats], ads: PublishedAds, ranking: Ranking, *, int8: bool
) -> Iterator[tuple[int, Floats]]:
    """Of each chunk of ads that rank: the row of its first ad, and the scores (R, n)."""
    given = [WholeQueries.of(query) if int8 else query for query in queries]
    for block, block_start in zip(ads.blocks, ads.starts, strict=False):
        if not ranking.takes(block.tasks):
            continue
        size = (len(block) or 1) if int8 else CHUNK
        for start in range(0, len(block), size):
            bid = block.bid[start : start + size]
            logits = [
                _logits(query, block, task, slice(start, start + size))
                if task in block.tasks
                else np.full((len(queries[0]), len(bid)), -np.inf, np.float32)
                for task, query in zip(ranking.tasks, given, strict=True)
            ]
            stacked = logits[0][..., None] if len(logits) == 1 else np.stack(logits, axis=-1)  # (R, n, T)
            yield int(block_start) + start, ranking.scores(stacked, bid)


def _logits(queries: Floats | WholeQueries, block: AdBlock, task: str, rows: slice) -> Floats:
    """(R, n) of some of a block's ads, or nearly so of all of it by whole numbers."""
    if isinstance(queries, WholeQueries):
        return queries.products(block.int8[task])
    matrix = block.tasks[task][rows]
    products: Floats = np.vecdot(queries[:, None], matrix) if len(queries) <= FEW else queries @ matrix.T
    return products


def _better(best: tuple[Integers, Floats], first: int, scores: Floats, k: int) -> tuple[Integers, Floats]:
    """The k best of those so far and of (n,) scores of rows from `first` on, in ascending order of their rows."""
    rows, values = best
    floor = values.min() if len(rows) == k else -np.inf
    # All are later than any before: one that equals the k-th best is too late.
    new = np.flatnonzero(scores > floor)
    rows, values = np.concatenate([rows, first + new]), np.concatenate([values, scores[new]])
    kept = first_best(values, k)
    return rows[kept], values[kept]


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


def require_numbers(embedded: Embeddings, what: str) -> Embeddings:
    """The embeddings of rows, each a `what`; raises LogsError for features so far out that one is not a number."""
    for task, matrix in embedded.tasks.items():
        if len(places := rows_beyond(matrix)):
            raise LogsError(
                f"{what} {places[0]} has features that give a {task} embedding beyond "
                f"±{LARGEST:g}; its numbers must be such as the logs have"
            )
    return embedded


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
        self.model_id, self.scorer, self.ads = model_id, scorer, ads

    @property
    def bundle_id(self) -> str:
        return self.scorer.info.bundle_id

    def embed(self, requests: Sequence[Row]) -> Embeddings:
        """Embeddings of raw requests of any surfaces; each runs through its own surface's experts alone.

        Raises LogsError for a value not as declared, or features so far out that an embedding is not a number.
        """
        surfaces = self.scorer.info.declarations.domains.surfaces
        domain = np.array([surfaces.index(row["surface"]) for row in requests], np.int64)
        queries = self.scorer.embed_rows("query", domain, self.scorer.encode(requests, "query"))
        return require_numbers(queries, "request")

    def rank(
        self, requests: Sequence[Row], ranking: Ranking, k: int, ad_ids: Sequence[Id] | None = None
    ) -> Ranked:
        """The k best ads of each raw request, as `search` has it: of all published ads, or of those with the given ids.

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
        return Embeddings(domain, tasks)
