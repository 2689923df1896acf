"""Embeddings that an earlier publication of the same bundle has already: an ad that keeps its features keeps them.

Shapes: n ads of a block, N ads of a product in the earlier publication.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mtmd.errors import BundleError
from mtmd.serving.bundle import BundleInfo
from mtmd.serving.published import AdBlock, PublishedAds


@dataclass(frozen=True)
class _Product:
    """The earlier ads of one product, in ascending order of their ids."""

    ad_id: NDArray[np.int64]  # (N,)
    features: NDArray[np.int64]  # (N, 2)
    block: NDArray[np.int64]  # (N,) which of `blocks` has the ad
    row: NDArray[np.int64]  # (N,) and where in it
    blocks: tuple[AdBlock, ...]

    @classmethod
    def of(cls, blocks: tuple[AdBlock, ...]) -> Self:
        ad_id = np.concatenate([own.ad_id for own in blocks])
        block = np.repeat(np.arange(len(blocks)), [len(own) for own in blocks])
        row = np.concatenate([np.arange(len(own)) for own in blocks])
        order = np.argsort(ad_id, kind="stable")
        features = np.concatenate([own.features for own in blocks])
        return cls(ad_id[order], features[order], block[order], row[order], blocks)


@dataclass(frozen=True)
class Earlier:
    """An earlier publication, by product."""

    products: Mapping[str, _Product]

    @classmethod
    def of(cls, ads: PublishedAds, info: BundleInfo) -> Self:
        """Raises BundleError when it is of another bundle, naming both ids."""
        if ads.bundle_id != info.bundle_id:
            raise BundleError(
                f"the earlier publication is of bundle {ads.bundle_id}, the ads are for bundle {info.bundle_id}; "
                "embeddings of different bundles do not work together"
            )
        names = dict.fromkeys(block.product for block in ads.blocks)
        own = {name: tuple(block for block in ads.blocks if block.product == name) for name in names}
        return cls({name: _Product.of(blocks) for name, blocks in own.items()})

    def copy_into(self, block: AdBlock) -> NDArray[np.int64]:
        """Copy the embeddings of ads with the same id and features; the rows of the others, ascending."""
        known = self.products.get(block.product)
        if known is None:
            return np.arange(len(block))
        place = np.minimum(np.searchsorted(known.ad_id, block.ad_id), len(known.ad_id) - 1)
        same = (known.ad_id[place] == block.ad_id) & (known.features[place] == block.features).all(axis=1)
        for number in np.unique(known.block[place[same]]):
            rows = np.flatnonzero(same & (known.block[place] == number))
            source = known.blocks[number]
            for task, matrix in block.tasks.items():
                matrix[rows] = source.tasks[task][known.row[place[rows]]]
        return np.flatnonzero(~same)
