"""Embed ads for publication: every ad once, through the item tower of its product (paper §2.2).

Ads are embedded in small batches, several at once. A batch's activations stay in a core's cache, and cores that work on
batches of their own share nothing; one batch spread over the cores would wait at each of some 100 operators.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from mtmd.errors import BundleError
from mtmd.logs.encoding import EncodedAds
from mtmd.serve.published import AdBlock, tasks_of, write_ads
from mtmd.serve.scorer import Scorer

BATCH = 256  # ads; the fastest of 64 … 4096 at the paper's widths
BLOCK = 1 << 13  # ads of a record batch


def publish_ads(scorer: Scorer, ads: Iterable[EncodedAds], directory: Path, threads: int = 1) -> int:
    """Embed ads and publish them as a new directory, all of it or nothing; returns their number.

    `threads` batches are embedded at once; memory holds one block and one of the given parts. Raises BundleError for
    rows that do not fit the bundle's declarations, or embeddings with numbers beyond ±LARGEST, StorageError when the
    directory is there already.
    """
    with ThreadPoolExecutor(threads) as pool:
        return write_ads(scorer.info, _embedded(scorer, ads, pool), directory)


def _embedded(scorer: Scorer, ads: Iterable[EncodedAds], pool: Executor) -> Iterator[AdBlock]:
    """Blocks of embeddings in float32."""
    for part in _blocks(ads):
        matrices = {
            task: np.empty((len(part.ad_id), scorer.info.widths[task]), np.float32)
            for task in tasks_of(scorer.info, part.product)
        }
        block = AdBlock(part.product, part.ad_id, matrices, part.bid)
        for _ in pool.map(partial(_embed, scorer, part, block), range(0, len(block), BATCH)):
            pass
        yield block


def _embed(scorer: Scorer, ads: EncodedAds, block: AdBlock, start: int) -> None:
    """Put the embeddings of one batch into the block."""
    rows = np.arange(start, min(start + BATCH, len(block)))
    made = scorer.embed("item", ads.product, ads.rows.take(rows)).tasks
    for task, matrix in block.tasks.items():
        matrix[rows] = made[task]


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
