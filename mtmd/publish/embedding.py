"""Embed ads for publication: every ad once, through the item tower of its product (paper §2.2).

Ads are embedded in small batches, several at once. A batch's activations stay in a core's cache, and cores that work on
batches of their own share nothing; one batch spread over the cores would wait at each of some 100 operators.

An ad whose features did not change keeps the embeddings that an earlier publication of the same bundle has.

Shapes: n ads of a block, N ads of a product in the earlier publication.
"""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mtmd.errors import BundleError
from mtmd.logs.encoding import EncodedAds, EncodedSide
from mtmd.registry.bundle import BundleInfo
from mtmd.serve.published import AdBlock, AdsInfo, PublishedAds, tasks_of, write_ads
from mtmd.serve.scorer import Scorer

BATCH = 256  # ads; the fastest of 64 … 4096 at the paper's widths
BLOCK = 1 << 13  # ads of a record batch


@dataclass
class Counts:
    """What became of the ads of a publication: run through the tower, or copied from the one before."""

    embedded: int = 0
    copied: int = 0


def publish_ads(
    scorer: Scorer,
    ads: Iterable[EncodedAds],
    directory: Path,
    *,
    threads: int = 1,
    previous: PublishedAds | None = None,
    counts: Counts | None = None,
) -> AdsInfo:
    """Embed ads and publish them as a new directory, all of it or nothing.

    threads   batches at once
    previous  ads that were published with this bundle: those whose features did not change are copied
    counts    is told how many were embedded, and how many copied
    Memory holds one block, one of the given parts, and the ids of `previous`. Raises BundleError for rows that do not
    fit the bundle's declarations, embeddings with numbers beyond ±LARGEST or `previous` of another bundle,
    StorageError when the directory is there already.
    """
    earlier = {} if previous is None else _by_product(previous, scorer.info)
    with ThreadPoolExecutor(threads) as pool:
        blocks = embedded(scorer, ads, pool, earlier, counts)
        return write_ads(scorer.info, blocks, directory)


@dataclass(frozen=True)
class EarlierAds:
    """The ads of one product in an earlier publication, in ascending order of their ids."""

    ad_id: NDArray[Any]  # (N,)
    features: NDArray[np.int64]  # (N, 2)
    block: NDArray[np.int64]  # (N,) which of `blocks` has the ad
    row: NDArray[np.int64]  # (N,) and where in it
    blocks: tuple[AdBlock, ...]

    @classmethod
    def of(cls, blocks: tuple[AdBlock, ...]) -> Self:
        ad_id = np.concatenate([part.ad_id for part in blocks])
        block = np.repeat(np.arange(len(blocks)), [len(part) for part in blocks])
        row = np.concatenate([np.arange(len(part)) for part in blocks])
        order = np.argsort(ad_id, kind="stable")
        features = np.concatenate([part.features for part in blocks])
        return cls(ad_id[order], features[order], block[order], row[order], blocks)

    def copy_into(self, block: AdBlock) -> NDArray[np.int64]:
        """Copy the embeddings of ads with the same id and features; the rows of the others, ascending."""
        place = np.minimum(np.searchsorted(self.ad_id, block.ad_id), len(self.ad_id) - 1)
        same = (self.ad_id[place] == block.ad_id) & (self.features[place] == block.features).all(axis=1)
        for number in np.unique(self.block[place[same]]):
            rows = np.flatnonzero(same & (self.block[place] == number))
            source = self.blocks[number]
            for task, matrix in block.tasks.items():
                matrix[rows] = source.tasks[task][self.row[place[rows]]]
        return np.flatnonzero(~same)


def _by_product(ads: PublishedAds, info: BundleInfo) -> dict[str, EarlierAds]:
    """An earlier publication, by product; raises BundleError, naming both ids, when it is of another bundle."""
    if ads.bundle_id != info.bundle_id:
        raise BundleError(
            f"the earlier publication is of bundle {ads.bundle_id}, the ads are for bundle {info.bundle_id}; "
            "embeddings of different bundles do not work together"
        )
    products = {block.product for block in ads.blocks}
    return {
        name: EarlierAds.of(tuple(block for block in ads.blocks if block.product == name))
        for name in products
    }


def embedded(
    scorer: Scorer,
    ads: Iterable[EncodedAds],
    pool: Executor,
    earlier: Mapping[str, EarlierAds] | None = None,
    counts: Counts | None = None,
) -> Iterator[AdBlock]:
    """Blocks of embeddings in float32: copied from what was published before, or made by the pool."""
    for part in _blocks(ads):
        matrices = {
            task: np.empty((len(part.ad_id), scorer.info.widths[task]), np.float32)
            for task in tasks_of(scorer.info, part.product)
        }
        block = AdBlock(part.product, part.ad_id, matrices, part.bid, feature_digests(part.rows))
        known = (earlier or {}).get(part.product)
        new = np.arange(len(block)) if known is None else known.copy_into(block)
        if counts is not None:
            counts.embedded += len(new)
            counts.copied += len(block) - len(new)
        batches = [new[start : start + BATCH] for start in range(0, len(new), BATCH)]
        for _ in pool.map(partial(_embed, scorer, part, block), batches):
            pass
        yield block


def _embed(scorer: Scorer, ads: EncodedAds, block: AdBlock, rows: NDArray[np.int64]) -> None:
    """Put the embeddings of some rows into the block."""
    made = scorer.embed("item", ads.product, ads.rows.take(rows)).tasks
    for task, matrix in block.tasks.items():
        matrix[rows] = made[task]


def feature_digests(rows: EncodedSide) -> NDArray[np.int64]:
    """(n, 2): 128 bits of BLAKE2 over the bytes of each encoded row."""
    matrices = (rows.continuous, rows.categorical, rows.embedding)
    packed = np.concatenate([np.ascontiguousarray(matrix).view(np.uint8) for matrix in matrices], axis=1)
    digests = [blake2b(row.data, digest_size=16) for row in packed]
    for lists in rows.lists:
        for digest, start, length in zip(digests, lists.start.tolist(), lists.length.tolist(), strict=True):
            values = slice(start, start + length)
            digest.update(length.to_bytes(4, "little"))
            for column in lists.values.values():
                digest.update(column[values].tobytes())
    return np.frombuffer(b"".join(digest.digest() for digest in digests), np.int64).reshape(-1, 2)


def _blocks(ads: Iterable[EncodedAds]) -> Iterator[EncodedAds]:
    for part in ads:
        if not len(part.ad_id) == len(part.rows) == len(part.bid):
            raise BundleError(
                f"{len(part.ad_id)} ids came with {len(part.rows)} rows and {len(part.bid)} bids of product "
                f"{part.product!r}; there must be one id and one bid for each row"
            )
        for start in range(0, len(part.ad_id), BLOCK):
            rows = slice(start, start + BLOCK)
            yield EncodedAds(part.product, part.ad_id[rows], part.rows.part(rows), part.bid[rows])
