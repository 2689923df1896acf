"""Published ads by their ids. Shapes: N published ads, n of them, K_t embedding width of task t."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from mtmd.serving.bundle import BundleInfo
from mtmd.serving.published import PublishedAds
from mtmd.serving.scorer import Embeddings, Integers


class AdTable:
    """Rows of a publication, found by id; a row is a place among all its ads."""

    def __init__(self, ads: PublishedAds, info: BundleInfo) -> None:
        self.ads, self._info = ads, info

    @cached_property
    def _sorted(self) -> tuple[Integers, Integers]:
        """Ids in ascending order, and the row of each."""
        order = np.argsort(self.ads.ad_id, kind="stable")
        return self.ads.ad_id[order], order

    def find(self, ids: Sequence[int]) -> tuple[Integers, Integers]:
        """Rows (n,) of the ads with these ids, ascending and each once, and the ids that are not published."""
        keys, order = self._sorted
        wanted = np.unique(np.array(ids, np.int64))
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
            block, own = self.ads.blocks[number], np.flatnonzero(owner == number)
            domain[own] = products.index(block.product)
            for task, matrix in block.tasks.items():
                tasks[task][own] = matrix[rows[own] - self.ads.starts[number]]
        return Embeddings(self.ads.bundle_id, "item", domain, tasks)
