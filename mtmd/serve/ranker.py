"""A model at work: the query towers of a bundle over the ads that were published with it (paper §1, §2.2).

Shapes: R requests, k ads of each, T tasks; n rows of a publication, in `AdTable`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtmd.errors import BundleError, LogsError
from mtmd.logs.ids import Id, id_array
from mtmd.registry.bundle import BundleInfo
from mtmd.serve.published import LARGEST, PublishedAds, rows_beyond
from mtmd.serve.scorer import Embeddings, Floats, Integers, Scorer
from mtmd.serve.search import Ranking, search

Row = dict[str, Any]  # raw, as the log contract has it: an absent column is null


@dataclass(frozen=True)
class Ranked:
    """The best ads of R requests, best first; as many of each, since which ads rank does not depend on the request.

    ad_id        (R, k) int64, or bytes where ids are texts (`mtmd/logs/ids.py`)
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
        self.model_id, self.scorer = model_id, scorer
        self.table = AdTable(ads, scorer.info)

    @property
    def bundle_id(self) -> str:
        return self.scorer.info.bundle_id

    @property
    def ads(self) -> int:
        return len(self.table.ads)

    def embed(self, requests: Sequence[Row]) -> Embeddings:
        """Embeddings of raw requests; each runs through its own surface's experts alone.

        Raises LogsError for a value not as declared, or features so far out that an embedding is not a number.
        """
        queries = embed_requests(self.scorer, requests)
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
        queries = self.embed(requests)
        table = self.table
        unpublished: NDArray[Any] = np.empty(0, np.int64)
        if ad_ids is not None:
            rows, unpublished = table.find(ad_ids)
            table = AdTable(table.ads.subset(rows), self.scorer.info)
        top = search(queries, table.ads, ranking, k)
        count = top.row.shape[1] if len(queries) else 0
        items = table.embeddings(top.row.reshape(-1))
        pairs = np.repeat(np.arange(len(queries)), count), np.arange(len(items))
        probability = np.exp(self.scorer.score(queries, items, *pairs))
        shape = (*top.row.shape, len(self.scorer.tasks))
        return Ranked(top.ad_id, top.score, probability.reshape(shape), unpublished)


class AdTable:
    """Rows of a publication, found by id; a row is a place among all its ads."""

    def __init__(self, ads: PublishedAds, info: BundleInfo) -> None:
        self.ads, self._info = ads, info

    @cached_property
    def _sorted(self) -> tuple[NDArray[Any], Integers]:
        """Ids in ascending order, and the row of each."""
        order = np.argsort(self.ads.ad_id, kind="stable")
        return self.ads.ad_id[order], order

    def find(self, ids: Sequence[Id]) -> tuple[Integers, NDArray[Any]]:
        """Rows (n,) of the ads with these ids, ascending and each once, and the ids that are not published."""
        keys, order = self._sorted
        wanted = np.unique(id_array(ids, self._info.declarations.ids.ad))
        if not len(keys):
            return np.empty(0, np.int64), wanted
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        there = keys[place] == wanted
        return np.sort(order[place[there]]), wanted[~there]

    def embeddings(self, rows: Integers) -> Embeddings:
        """Item embeddings of some rows in any order, in float32; zeros for tasks that the product lacks."""
        products = self._info.declarations.domains.products
        domain = np.zeros(len(rows), np.int64)
        tasks = {task: np.zeros((len(rows), width), np.float32) for task, width in self._info.widths.items()}
        owner = np.searchsorted(self.ads.starts, rows, side="right") - 1
        for number in np.unique(owner):
            block, places = self.ads.blocks[number], np.flatnonzero(owner == number)
            domain[places] = products.index(block.product)
            for task, matrix in block.tasks.items():
                tasks[task][places] = matrix[rows[places] - self.ads.starts[number]]
        return Embeddings(self.ads.bundle_id, "item", domain, tasks)


def embed_requests(scorer: Scorer, rows: Sequence[Row]) -> Embeddings:
    """Embeddings of raw requests of any surfaces, in their order: each runs through its surface's experts alone.

    Raises LogsError naming the row and column for an unknown surface or a bad value.
    """
    names = scorer.info.declarations.domains.surfaces
    for number, row in enumerate(rows):
        if row.get("surface") not in names:
            raise LogsError(
                f"row {number} has surface {row.get('surface')!r}; it must be one of {list(names)}"
            )
    widths = scorer.info.widths
    domain = np.array([names.index(row["surface"]) for row in rows], np.int64)
    tasks = {task: np.empty((len(rows), widths[task]), np.float32) for task in scorer.tasks}
    for index in np.unique(domain).tolist():
        places = np.flatnonzero(domain == index).tolist()
        encoded = scorer.encode([rows[place] for place in places], "query")
        for task, values in scorer.embed("query", names[index], encoded).tasks.items():
            tasks[task][places] = values
    return Embeddings(scorer.info.bundle_id, "query", domain, tasks)
