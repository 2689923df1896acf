"""A model at work: the query towers of a bundle over the ads that were published with it (paper §1, §2.2).

Shapes: R requests, k ads of each, T tasks, n rows of a publication.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtmd.errors import BundleError, LogsError
from mtmd.logs.contract import Id, id_array
from mtmd.serve.published import LARGEST, PublishedAds, rows_beyond
from mtmd.serve.scorer import Embeddings, Floats, Integers, Scorer
from mtmd.serve.search import Ranking, search

Row = dict[str, Any]  # raw, as the log contract has it: an absent column is null


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
