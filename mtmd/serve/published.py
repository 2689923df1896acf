"""Published ads: embeddings of the ads of one bundle, on disk and mapped.

A publication is a directory: per product one Arrow file with `ad_id`, `bid` and one `embedding.<task>` float32 matrix
per task of the product, in record batches, and `ads.json`, which ties them together. Any reader of Arrow IPC files can
read the vectors as features of another model, such as the heavyweight ranker (paper §1); vectors of one bundle are
comparable with each other and with nothing else. All but the ids that are texts is mapped.

Shapes: n ads of a block, N of all, K_t embedding width of task t.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from mtmd.config import Frozen
from mtmd.errors import BundleError, StorageError
from mtmd.logs.contract import id_list
from mtmd.logs.encoding import EncodedAds
from mtmd.registry.bundle import OUTPUT_PREFIX, BundleInfo
from mtmd.serve.scorer import Scorer
from mtmd.store.columns import Columns, ColumnWriter, map_batches
from mtmd.store.files import read_json, sha256_file, write_json
from mtmd.store.stores import store_of

ADS_FORMAT = 4  # raise it whenever the same embeddings would be written as other files; readers refuse others
ADS_FILE = "ads.json"
_ID, _BID = "ad_id", "bid"
BATCH = 256  # ads that are embedded together; the fastest of 64 … 4096 at the paper's widths
BLOCK = 1 << 13  # ads of a record batch
LARGEST_BID = 1e9  # a weight times a bid stays a float32
LARGEST = 65504.0  # of an embedding's numbers: beyond it, features were far out, and products would lose their meaning


@dataclass(frozen=True)
class AdBlock:
    """Some ads of one product.

    ad_id     (n,) int64, or bytes where ids are texts (`mtmd/logs/contract.py`)
    tasks     task → (n, K_t) float32, for the product's own tasks
    bid       (n,) float32, as in the snapshot of ads
    """

    product: str
    ad_id: NDArray[Any]
    tasks: Mapping[str, NDArray[Any]]
    bid: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.ad_id)

    def take(self, rows: NDArray[np.int64]) -> "AdBlock":
        """Some of its ads, copied."""
        tasks = {task: matrix[rows] for task, matrix in self.tasks.items()}
        return AdBlock(self.product, self.ad_id[rows], tasks, self.bid[rows])

    @staticmethod
    def joined(blocks: Sequence["AdBlock"]) -> "AdBlock":
        """Blocks of one product as one."""
        if len(blocks) == 1:
            return blocks[0]
        tasks = {task: np.concatenate([one.tasks[task] for one in blocks]) for task in blocks[0].tasks}
        ad_id, bid = (np.concatenate([getattr(one, name) for one in blocks]) for name in (_ID, _BID))
        return AdBlock(blocks[0].product, ad_id, tasks, bid)


@dataclass(frozen=True)
class PublishedAds:
    """Ads that were embedded with one bundle; the order of the blocks is the order of the ads.

    A row is a place among all ads.
    """

    bundle_id: str
    blocks: tuple[AdBlock, ...]

    def __len__(self) -> int:
        return len(self.ad_id)

    @cached_property
    def ad_id(self) -> NDArray[Any]:
        """(N,) of all ads."""
        ids = [block.ad_id for block in self.blocks]
        return np.concatenate(ids) if ids else np.empty(0, np.int64)

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """(blocks + 1,): the row of each block's first ad; then N."""
        return np.cumsum([0, *(len(block) for block in self.blocks)])

    @cached_property
    def _sorted(self) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Ids in ascending order, and the row of each."""
        order = np.argsort(self.ad_id, kind="stable")
        return self.ad_id[order], order

    def find(self, ids: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Rows of the ads with these ids, ascending and each once, and the ids that are not published."""
        keys, order = self._sorted
        wanted = np.unique(ids)
        if not len(keys):
            return np.empty(0, np.int64), wanted
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        there = keys[place] == wanted
        return np.sort(order[place[there]]), wanted[~there]

    def subset(self, rows: NDArray[np.int64]) -> "PublishedAds":
        """The ads of some ascending rows, in that order, copied; neighbouring blocks of a product become one."""
        cuts = np.searchsorted(rows, self.starts)
        parts = [
            block.take(rows[first:last] - start)
            for block, start, first, last in zip(self.blocks, self.starts, cuts, cuts[1:], strict=False)
            if first < last
        ]
        products = groupby(parts, key=lambda part: part.product)
        return PublishedAds(self.bundle_id, tuple(AdBlock.joined(tuple(own)) for _, own in products))


class AdsInfo(Frozen):
    """What `ads.json` says."""

    format: int
    bundle_id: str = Field(description="the bundle whose item towers made the embeddings")
    files: dict[str, str] = Field(description="product → sha256 of its file, <product>.arrow")


def publish_ads(scorer: Scorer, ads: Iterable[EncodedAds], directory: Path, threads: int = 1) -> int:
    """Embed ads, each through the item tower of its product (paper §2.2), and publish them as `write_ads` does.

    Batches are small: a batch's activations stay in a core's cache, and cores that work on batches of their own share
    nothing; one batch spread over the cores would wait at each of some 100 operators.
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


def write_ads(info: BundleInfo, blocks: Iterable[AdBlock], directory: Path) -> int:
    """Publish blocks of embedded ads as a new directory, all of it or nothing; holds one block in memory.

    Returns the number of ads. Raises BundleError for a block that is not the bundle's, or a number beyond ±LARGEST (NaN
    and infinity among them), StorageError when the directory is there already.
    """
    if directory.exists():
        raise StorageError(f"{directory} exists; publish under a new name, or remove it first")
    with store_of(directory).atomic_directory(directory) as place:
        count = _write(info, blocks, place)
        files = {path.stem: sha256_file(path) for path in sorted(place.glob("*.arrow"))}
        published = AdsInfo(format=ADS_FORMAT, bundle_id=info.bundle_id, files=files)
        write_json(place / ADS_FILE, published.model_dump(mode="json"), seal=True)
    return count


def _write(info: BundleInfo, blocks: Iterable[AdBlock], place: Path) -> int:
    count = 0
    writers: dict[str, ColumnWriter] = {}
    with ExitStack() as stack:
        for block in blocks:
            _check_block(info, block)
            if block.product not in writers:
                texts = {"bundle_id": info.bundle_id, "product": block.product}
                writer = ColumnWriter(place / f"{block.product}.arrow", texts)
                writers[block.product] = stack.enter_context(writer)
            matrices = {OUTPUT_PREFIX + task: matrix for task, matrix in block.tasks.items()}
            writers[block.product].write({_ID: block.ad_id, _BID: block.bid} | matrices)
            count += len(block)
    return count


def _check_block(info: BundleInfo, block: AdBlock) -> None:
    """Raise BundleError for other tasks or widths than the bundle's, numbers beyond ±LARGEST, or a bid that is none."""
    wanted = {task: (len(block), info.widths[task]) for task in tasks_of(info, block.product)}
    shapes = {task: matrix.shape for task, matrix in block.tasks.items()}
    if shapes != wanted or len(block.bid) != len(block):
        raise BundleError(
            f"ads of product {block.product!r} have embeddings of shapes {shapes} and {len(block.bid)} bids; bundle "
            f"{info.bundle_id} has {wanted}"
        )
    bids = (block.bid >= 0) & (block.bid <= LARGEST_BID)  # NaN is not
    wrong = {f"a bid that is not between 0 and {LARGEST_BID:g}": np.flatnonzero(~bids)}
    wrong |= {
        f"a {task} embedding beyond ±{LARGEST:g}": rows_beyond(own) for task, own in block.tasks.items()
    }
    for what, rows in wrong.items():
        if len(rows):
            first = id_list(block.ad_id[rows][:1])[0]
            raise BundleError(f"ad {first} has {what}, of {len(rows)} such ads; look at the ad in the logs")


def rows_beyond(matrix: NDArray[Any]) -> NDArray[np.int64]:
    """Rows of (n, K) that have a number beyond ±LARGEST, or NaN."""
    return np.flatnonzero(~(np.abs(matrix) <= LARGEST).all(axis=1))  # NaN is not less


def tasks_of(info: BundleInfo, product: str) -> tuple[str, ...]:
    """The tasks that a product has; raises BundleError for a product that the bundle lacks."""
    info.file_of("item", product)
    domains = info.declarations.domains
    return tuple(task.name for task in domains.tasks if domains.has_task(product, task))


def open_ads(directory: Path, info: BundleInfo) -> PublishedAds:
    """Map a publication of the bundle's ads, after comparing the digests of its files.

    What is only in the line's bucket, or was damaged on the disk, is fetched. Raises BundleError when it is of another
    bundle (naming both ids), malformed, or a file is missing or altered.
    """
    try:
        return _opened(directory, info)
    except BundleError:
        if not store_of(directory).fetch(directory):
            raise
    return _opened(directory, info)


def _opened(directory: Path, info: BundleInfo) -> PublishedAds:
    try:
        published = AdsInfo.model_validate(read_json(directory / ADS_FILE))
    except (StorageError, ValidationError) as error:
        raise BundleError(f"published ads in {directory} cannot be read; publish again: {error}") from error
    if (published.format, published.bundle_id) != (ADS_FORMAT, info.bundle_id):
        raise BundleError(
            f"the ads in {directory} are of format {published.format} and bundle {published.bundle_id}, but queries "
            f"will be of format {ADS_FORMAT} and bundle {info.bundle_id}; publish the ads again"
        )
    blocks: list[AdBlock] = []
    for product in info.declarations.domains.products:
        if (expected := published.files.get(product)) is not None:
            blocks += _map(directory / f"{product}.arrow", product, expected)
    return PublishedAds(info.bundle_id, tuple(blocks))


def _map(path: Path, product: str, expected: str) -> list[AdBlock]:
    try:
        if (actual := sha256_file(path)) != expected:
            raise BundleError(f"{path} has sha256 {actual}, not {expected}; it was altered: publish again")
        batches, _ = map_batches(path)
    except (OSError, StorageError) as error:
        raise BundleError(f"{path} cannot be mapped; publish again: {error}") from error
    return [_block(batch, product) for batch in batches]


def _block(columns: Columns, product: str) -> AdBlock:
    tasks = {
        name.removeprefix(OUTPUT_PREFIX): matrix
        for name, matrix in columns.items()
        if name.startswith(OUTPUT_PREFIX)
    }
    return AdBlock(product, columns[_ID], tasks, columns[_BID])
