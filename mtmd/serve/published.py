"""Published ads: embeddings of the ads of one bundle, on disk and mapped.

A publication is an output of its line: per product one Arrow file with `ad_id`, `bid` and one `embedding.<task>`
float32 matrix per task of the product, in record batches, and `ads.json`, which names the bundle. Any reader of Arrow
IPC files can read the vectors as features of another model, such as the heavyweight ranker (paper §1); vectors of one
bundle are comparable with each other and with nothing else. All but the ids that are texts is mapped.

A publication with int8 has, beside each matrix, the same as whole numbers from −127 to 127: `int8.<task>`, and
`scale.<task>`, what an ad's numbers are multiples of. A block's int8 stand dimension by dimension, not ad by ad: the
service's search reads them so, and no other reader should.

Shapes: n ads of a block, N of all, K_t embedding width of task t.
"""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtmd.errors import BundleError
from mtmd.logs.contract import id_list
from mtmd.logs.encoding import EncodedAds
from mtmd.registry.bundle import OUTPUT_PREFIX, BundleInfo
from mtmd.serve.scorer import Floats, Integers, Scorer, WholeItems
from mtmd.store.columns import Columns, ColumnWriter, map_batches
from mtmd.store.files import read_json, write_json
from mtmd.store.workspace import is_complete, make_once

ADS_FORMAT = 4  # raise it whenever the same embeddings would be written as other files; readers refuse others
ADS_FILE = "ads.json"
_ID, _BID = "ad_id", "bid"
_INT8, _SCALE = "int8.", "scale."
BATCH = 256  # ads that are embedded together; the fastest of 64 … 4096 at the paper's widths
BLOCK = 1 << 13  # ads of a record batch
INT8_BLOCK = 1 << 15  # with int8, which are read a block at a time: a call for fewer costs as much
LARGEST_BID = 1e9  # a weight times a bid stays a float32
LARGEST = 65504.0  # of an embedding's numbers: beyond it, features were far out, and products would lose their meaning


@dataclass(frozen=True)
class AdBlock:
    """Some ads of one product.

    ad_id     (n,) int64, or bytes where ids are texts (`mtmd/logs/contract.py`)
    tasks     task → (n, K_t) float32, for the product's own tasks
    bid       (n,) float32, as in the snapshot of ads
    int8      as `tasks`, in whole numbers; empty in a publication without int8
    """

    product: str
    ad_id: NDArray[Any]
    tasks: Mapping[str, Floats]
    bid: Floats
    int8: Mapping[str, WholeItems] = field(default_factory=dict)

    def with_int8(self) -> "AdBlock":
        """The same with its embeddings in whole numbers too."""
        return replace(self, int8={task: WholeItems.of(matrix) for task, matrix in self.tasks.items()})

    def __len__(self) -> int:
        return len(self.ad_id)

    def take(self, rows: Integers) -> "AdBlock":
        """Some of its ads, copied, without int8."""
        tasks = {task: matrix[rows] for task, matrix in self.tasks.items()}
        return AdBlock(self.product, self.ad_id[rows], tasks, self.bid[rows])


@dataclass(frozen=True)
class PublishedAds:
    """Ads that were embedded with one bundle; the order of the blocks is the order of the ads.

    A row is a place among all ads.
    """

    blocks: tuple[AdBlock, ...]

    def __len__(self) -> int:
        return len(self.ad_id)

    @cached_property
    def ad_id(self) -> NDArray[Any]:
        """(N,) of all ads."""
        ids = [block.ad_id for block in self.blocks]
        return np.concatenate(ids) if ids else np.empty(0, np.int64)

    @cached_property
    def starts(self) -> Integers:
        """(blocks + 1,): the row of each block's first ad; then N."""
        return np.cumsum([0, *(len(block) for block in self.blocks)])

    @cached_property
    def has_int8(self) -> bool:
        """Whether all of them are there in whole numbers too."""
        return all(block.int8 for block in self.blocks)

    @cached_property
    def _order(self) -> Integers:
        """(N,): the rows by ascending ids."""
        return np.argsort(self.ad_id, kind="stable")

    def find(self, ids: NDArray[Any]) -> tuple[Integers, NDArray[Any]]:
        """Rows of the ads with these ids, ascending and each once, and the ids that are not published."""
        wanted = np.unique(ids)
        if not len(self):
            return np.empty(0, np.int64), wanted
        place = np.searchsorted(self.ad_id, wanted, sorter=self._order)
        rows = self._order[np.minimum(place, len(self) - 1)]
        there = self.ad_id[rows] == wanted
        return np.sort(rows[there]), wanted[~there]

    def subset(self, rows: Integers) -> "PublishedAds":
        """The ads of some ascending rows, in that order, copied."""
        cuts = np.searchsorted(rows, self.starts)
        spans = zip(self.blocks, self.starts, cuts, cuts[1:], strict=False)
        taken = (block.take(rows[first:last] - start) for block, start, first, last in spans if first < last)
        return PublishedAds(tuple(taken))


def publish_ads(
    scorer: Scorer, ads: Iterable[EncodedAds], directory: Path, threads: int = 1, *, int8: bool = False
) -> bool:
    """Embed ads, each through the item tower of its product (paper §2.2), as a new publication, all of it or nothing.

    Batches are small: a batch's activations stay in a core's cache, and cores that work on batches of their own share
    nothing; one batch spread over the cores would wait at each of some 100 operators.
    `threads` batches are embedded at once; memory holds one block and one of the given parts. A publication that is
    there, whole, is taken as it is; returns whether it was. Raises BundleError for ads that can't be embedded, a bid
    that is none, or numbers beyond ±LARGEST (NaN and infinity among them).
    """

    def build(place: Path) -> None:
        with ThreadPoolExecutor(threads) as pool:
            blocks = _embedded(scorer, ads, pool, INT8_BLOCK if int8 else BLOCK)
            _write(scorer.info, blocks, place, int8)
        write_json(place / ADS_FILE, origin(scorer.info, int8=int8))

    return make_once(directory, build)


def origin(info: BundleInfo, *, int8: bool = False) -> dict[str, int | str]:
    """What `ads.json` says of the bundle's ads; a publication is named by it, too."""
    made: dict[str, int | str] = {"bundle_id": info.bundle_id, "format": ADS_FORMAT}
    return made | {"int8": True} if int8 else made


def _embedded(scorer: Scorer, ads: Iterable[EncodedAds], pool: Executor, size: int) -> Iterator[AdBlock]:
    """Blocks of at most `size` embeddings in float32."""
    domains = scorer.info.declarations.domains
    for part in ads:
        tasks = [task.name for task in domains.tasks if domains.has_task(part.product, task)]
        for start in range(0, len(part.ad_id), size):
            rows = slice(start, min(start + size, len(part.ad_id)))
            made = list(pool.map(partial(_embed, scorer, part, rows.stop), range(start, rows.stop, BATCH)))
            matrices = {task: np.concatenate([batch[task] for batch in made]) for task in tasks}
            yield AdBlock(part.product, part.ad_id[rows], matrices, part.bid[rows])


def _embed(scorer: Scorer, ads: EncodedAds, stop: int, start: int) -> Mapping[str, Floats]:
    """One batch, by task."""
    rows = np.arange(start, min(start + BATCH, stop))
    return scorer.embed("item", ads.product, ads.rows.take(rows)).tasks


def _write(info: BundleInfo, blocks: Iterable[AdBlock], place: Path, int8: bool) -> None:
    writers: dict[str, ColumnWriter] = {}
    with ExitStack() as stack:
        for block in blocks:
            _require_numbers(block)
            if block.product not in writers:
                texts = {"bundle_id": info.bundle_id, "product": block.product}
                writer = ColumnWriter(place / f"{block.product}.arrow", texts)
                writers[block.product] = stack.enter_context(writer)
            columns: Columns = {OUTPUT_PREFIX + task: matrix for task, matrix in block.tasks.items()}
            for task, own in (block.with_int8().int8 if int8 else {}).items():
                columns |= {_INT8 + task: own.numbers.reshape(len(block), -1), _SCALE + task: own.scale}
            writers[block.product].write({_ID: block.ad_id, _BID: block.bid} | columns)


def _require_numbers(block: AdBlock) -> None:
    """Raise BundleError for numbers beyond ±LARGEST, or a bid that is none."""
    wrong = {f"a {task} embedding beyond ±{LARGEST:g}": rows_beyond(own) for task, own in block.tasks.items()}
    bids = (block.bid >= 0) & (block.bid <= LARGEST_BID)  # NaN is not
    wrong[f"a bid that is not between 0 and {LARGEST_BID:g}"] = np.flatnonzero(~bids)
    for what, rows in wrong.items():
        if len(rows):
            first = id_list(block.ad_id[rows][:1])[0]
            raise BundleError(f"ad {first} has {what}, of {len(rows)} such ads; look at the ad in the logs")


def rows_beyond(matrix: NDArray[Any]) -> Integers:
    """Rows of (n, K) that have a number beyond ±LARGEST, or NaN."""
    return np.flatnonzero(~(np.abs(matrix) <= LARGEST).all(axis=1))  # NaN is not less


def open_ads(directory: Path, info: BundleInfo) -> PublishedAds:
    """Map a publication of the bundle's ads, after comparing the digests of its files.

    What is only in the line's bucket, or was damaged on the disk, is fetched. Raises BundleError when it is of another
    bundle (naming both ids), or a file is missing or altered.
    """
    if not is_complete(directory):
        raise BundleError(
            f"published ads in {directory} are not there, or not as their manifest says; publish again"
        )
    found, wanted = read_json(directory / ADS_FILE), origin(info)
    if not (int8 := found == origin(info, int8=True)) and found != wanted:
        raise BundleError(
            f"the ads in {directory} are of {found}, but queries will be of {wanted}; publish the ads again"
        )
    blocks: list[AdBlock] = []
    for product in info.declarations.domains.products:
        if (path := directory / f"{product}.arrow").is_file():
            made = [_block(batch, product) for batch in map_batches(path)[0]]
            if int8 and not all(map(_is_whole, made)):
                raise BundleError(
                    f"{path} lacks int8 or scales of its embeddings, which {ADS_FILE} says it has; publish the ads "
                    "again"
                )
            blocks += made
    return PublishedAds(tuple(blocks))


def _block(columns: Columns, product: str) -> AdBlock:
    def by_task(prefix: str) -> Columns:
        return {
            name.removeprefix(prefix): values for name, values in columns.items() if name.startswith(prefix)
        }

    numbers, scales = by_task(_INT8), by_task(_SCALE)
    int8 = {
        task: WholeItems(own.reshape(-1, len(own)), scales[task])
        for task, own in numbers.items()
        if task in scales
    }
    return AdBlock(product, columns[_ID], by_task(OUTPUT_PREFIX), columns[_BID], int8)


def _is_whole(block: AdBlock) -> bool:
    """Whether each of its tasks is there in whole numbers."""
    return block.int8.keys() == block.tasks.keys() and all(
        (own.numbers.dtype.name, own.scale.dtype.name, own.numbers.shape[::-1])
        == ("int8", "float32", block.tasks[task].shape)
        for task, own in block.int8.items()
    )
