"""Embed ads for publication: every ad once, through the item tower of its product (paper §2.2).

Ads are embedded in small batches, several at once. A batch's activations stay in a core's cache, and cores that work on
batches of their own share nothing; one batch spread over the cores would wait at each of some 100 operators.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtmd.encoding import EncodedSide
from mtmd.errors import BundleError
from mtmd.serving.published import AdBlock, AdsInfo, tasks_of, write_ads
from mtmd.serving.scorer import Scorer

BATCH = 256  # ads; the fastest of 64 … 4096 at the paper's widths (docs/performance.md)
BLOCK = 1 << 13  # ads of a record batch: while one is written the next is embedded, and two are in memory


@dataclass(frozen=True)
class EncodedAds:
    """Some ads of one product, encoded with the bundle's declarations: ad_id (n,) int64 and n rows."""

    product: str
    ad_id: NDArray[np.int64]
    rows: EncodedSide


def publish_ads(scorer: Scorer, ads: Iterable[EncodedAds], directory: Path, *, threads: int = 1) -> AdsInfo:
    """Embed ads and publish them as a new directory, all of it or nothing.

    scorer   loaded with one thread: it is batches that run side by side
    threads  batches at once
    Memory holds two blocks and one of the given parts. Raises BundleError for rows that do not fit the bundle's
    declarations or embeddings that are not finite in float16, StorageError when the directory is there already.
    """
    with ThreadPoolExecutor(threads) as pool:
        return write_ads(scorer.info, embedded(scorer, ads, pool), directory)


def embedded(scorer: Scorer, ads: Iterable[EncodedAds], pool: Executor) -> Iterator[AdBlock]:
    """Blocks of embeddings in float32, each a step ahead of its reader."""
    ahead: tuple[AdBlock, list[Future[None]]] | None = None
    for part in _blocks(ads):
        started = _start(scorer, part, pool)
        if ahead is not None:
            yield _finished(*ahead)
        ahead = started
    if ahead is not None:
        yield _finished(*ahead)


def _blocks(ads: Iterable[EncodedAds]) -> Iterator[EncodedAds]:
    for part in ads:
        if len(part.ad_id) != len(part.rows):
            raise BundleError(
                f"{len(part.ad_id)} ids came with {len(part.rows)} rows of product {part.product!r}; "
                "there must be one id for each row"
            )
        for start in range(0, len(part.ad_id), BLOCK):
            own = slice(start, start + BLOCK)
            yield EncodedAds(part.product, part.ad_id[own], part.rows.part(own))


def _start(scorer: Scorer, ads: EncodedAds, pool: Executor) -> tuple[AdBlock, list[Future[None]]]:
    """A block that the pool fills."""
    count = len(ads.ad_id)
    tasks = {
        task: np.empty((count, scorer.info.widths[task]), np.float32)
        for task in tasks_of(scorer.info, ads.product)
    }

    def embed(own: slice) -> None:
        target = {task: matrix[own] for task, matrix in tasks.items()}
        scorer.embed_items_into(ads.product, ads.rows.part(own), target)

    running = [pool.submit(embed, slice(start, start + BATCH)) for start in range(0, count, BATCH)]
    return AdBlock(ads.product, ads.ad_id, tasks), running


def _finished(block: AdBlock, running: Sequence[Future[None]]) -> AdBlock:
    for one in running:
        one.result()
    return block
