"""Published ads: embeddings of the ads of one bundle, on disk and mapped.

A publication is a directory: per product one Arrow file with `ad_id`, `bid`, `features` (a digest of what the tower
read) and one `embedding.<task>` float32 matrix per task of the product, in record batches, and `ads.json`, which ties
them together. All but the ids that are texts is mapped. Shapes: n ads of a block, K_t embedding width of task t.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from mtmd.config import Frozen
from mtmd.errors import BundleError, StorageError
from mtmd.logs.ids import Id, id_list
from mtmd.registry.bundle import OUTPUT_PREFIX, BundleInfo
from mtmd.store.columns import Columns, ColumnWriter, map_batches
from mtmd.store.files import read_json, write_json
from mtmd.store.sha256 import sha256_file
from mtmd.store.stores import store_of

ADS_FORMAT = 3  # raise it whenever the same embeddings would be written as other files; readers refuse others
ADS_FILE = "ads.json"
_ID, _BID, _FEATURES = "ad_id", "bid", "features"
LARGEST_BID = 1e9  # a weight times a bid stays a float32
LARGEST = 65504.0  # of an embedding's numbers: beyond it, features were far out, and products would lose their meaning


@dataclass(frozen=True)
class AdBlock:
    """Some ads of one product.

    ad_id     (n,) int64, or bytes where ids are texts (`mtmd/logs/ids.py`)
    tasks     task → (n, K_t) float32, for the product's own tasks
    bid       (n,) float32, as in the snapshot of ads
    features  (n, 2) int64, digest of each ad's encoded features: an ad that keeps it keeps its embeddings
    """

    product: str
    ad_id: NDArray[Any]
    tasks: Mapping[str, NDArray[Any]]
    bid: NDArray[np.float32]
    features: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ad_id)

    def take(self, rows: NDArray[np.int64]) -> "AdBlock":
        """Some of its ads, copied."""
        tasks = {task: matrix[rows] for task, matrix in self.tasks.items()}
        return AdBlock(self.product, self.ad_id[rows], tasks, self.bid[rows], self.features[rows])


@dataclass(frozen=True)
class PublishedAds:
    """Ads that were embedded with one bundle; the order of the blocks is the order of the ads."""

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
        """(blocks + 1,): the row of each block's first ad, a row being a place among all ads; then N."""
        return np.cumsum([0, *(len(block) for block in self.blocks)])

    def subset(self, rows: NDArray[np.int64]) -> "PublishedAds":
        """The ads of some ascending rows, in that order, copied; neighbouring blocks of a product become one."""
        cuts = np.searchsorted(rows, self.starts)
        parts = [
            block.take(rows[first:last] - start)
            for block, start, first, last in zip(self.blocks, self.starts, cuts, cuts[1:], strict=False)
            if first < last
        ]
        joined = [_join(tuple(of_product)) for _, of_product in groupby(parts, key=lambda part: part.product)]
        return PublishedAds(self.bundle_id, tuple(joined))


class AdsFile(Frozen):
    """One product's embeddings."""

    product: str
    file: str = Field(pattern=r"^[a-z][a-z0-9_]*\.arrow$", description="name inside the publication")
    ads: int = Field(ge=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class AdsInfo(Frozen):
    """What `ads.json` says."""

    format: int
    bundle_id: str = Field(description="the bundle whose item towers made the embeddings")
    publication: str = Field(description="its directory's name")
    files: tuple[AdsFile, ...]


def write_ads(info: BundleInfo, blocks: Iterable[AdBlock], directory: Path) -> AdsInfo:
    """Publish blocks of embedded ads as a new directory, all of it or nothing; holds one block in memory.

    Raises BundleError for a block that is not the bundle's, or a number beyond ±LARGEST (NaN and infinity among
    them), StorageError when the directory is there already.
    """
    if directory.exists():
        raise StorageError(f"{directory} exists; publish under a new name, or remove it first")
    with store_of(directory).atomic_directory(directory) as place:
        counts = _write(info, blocks, place)
        files = tuple(
            AdsFile(product=product, file=path.name, ads=ads, sha256=sha256_file(path))
            for product, ads in counts.items()
            for path in [place / f"{product}.arrow"]
        )
        published = AdsInfo(
            format=ADS_FORMAT, bundle_id=info.bundle_id, publication=directory.name, files=files
        )
        write_json(place / ADS_FILE, published.model_dump(mode="json"), seal=True)
    return published


def _write(info: BundleInfo, blocks: Iterable[AdBlock], place: Path) -> dict[str, int]:
    """Every block; returns the ads of each product."""
    counts: dict[str, int] = {}
    writers: dict[str, ColumnWriter] = {}
    with ExitStack() as stack:
        for block in blocks:
            _check_block(info, block)
            if block.product not in writers:
                texts = {"bundle_id": info.bundle_id, "product": block.product}
                writer = ColumnWriter(place / f"{block.product}.arrow", texts)
                writers[block.product] = stack.enter_context(writer)
            columns: Columns = {_ID: block.ad_id, _BID: block.bid, _FEATURES: block.features}
            matrices = {OUTPUT_PREFIX + task: matrix for task, matrix in block.tasks.items()}
            writers[block.product].write(columns | matrices)
            writers[block.product].sync()
            counts[block.product] = counts.get(block.product, 0) + len(block)
    return counts


def _check_block(info: BundleInfo, block: AdBlock) -> None:
    """Raise BundleError for other tasks or widths than the bundle's, numbers beyond ±LARGEST, or a bid that is none."""
    wanted = {task: info.widths[task] for task in tasks_of(info, block.product)}
    widths = {task: matrix.shape[1] for task, matrix in block.tasks.items()}
    columns = (*block.tasks.values(), block.bid, block.features)
    if widths != wanted or any(len(column) != len(block) for column in columns):
        raise BundleError(
            f"ads of product {block.product!r} have embeddings of widths {widths}; bundle {info.bundle_id} has {wanted}"
        )
    bids = (block.bid >= 0) & (block.bid <= LARGEST_BID)  # NaN is not
    if not bids.all():
        raise BundleError(
            f"ad {_first(block, ~bids)} has bid {block.bid[~bids][0]}; it must be between 0 and {LARGEST_BID:g}"
        )
    for task, matrix in block.tasks.items():
        if len(rows := rows_beyond(matrix)):
            raise BundleError(
                f"ad {_first(block, rows)} has a {task} embedding with a number beyond ±{LARGEST:g} or not a "
                f"number, of {len(rows)} such ads; look at the ad's features"
            )


def _first(block: AdBlock, rows: NDArray[Any]) -> Id:
    """The id of the first of some ads."""
    return id_list(block.ad_id[rows][:1])[0]


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
    published = _read(directory)
    if published.bundle_id != info.bundle_id:
        raise BundleError(
            f"the ads in {directory} were embedded with bundle {published.bundle_id}, but queries will be with bundle "
            f"{info.bundle_id}; embeddings of different bundles do not work together: publish the ads again"
        )
    blocks: list[AdBlock] = []
    for product in info.declarations.domains.products:
        for file in published.files:
            if file.product == product:
                blocks += _map(directory / file.file, file, info)
    return PublishedAds(info.bundle_id, tuple(blocks))


def _read(directory: Path) -> AdsInfo:
    path = directory / ADS_FILE
    try:
        content = read_json(path)
        made = content.get("format") if isinstance(content, dict) else None
        if made != ADS_FORMAT:
            raise BundleError(f"{path} has format {made}; this version reads {ADS_FORMAT}. Publish again")
        published = AdsInfo.model_validate(content)
    except (StorageError, ValidationError) as error:
        raise BundleError(f"published ads in {directory} cannot be read; publish again: {error}") from error
    if published.publication != directory.name:
        raise BundleError(
            f"the ads in {directory} are those of {published.publication}, which were put in its place; publish again"
        )
    return published


def _join(blocks: Sequence[AdBlock]) -> AdBlock:
    """Blocks of one product as one."""
    if len(blocks) == 1:
        return blocks[0]
    tasks = {task: np.concatenate([block.tasks[task] for block in blocks]) for task in blocks[0].tasks}
    ad_id, bid, features = (
        np.concatenate([getattr(block, name) for block in blocks]) for name in (_ID, _BID, _FEATURES)
    )
    return AdBlock(blocks[0].product, ad_id, tasks, bid, features)


def _map(path: Path, expected: AdsFile, info: BundleInfo) -> list[AdBlock]:
    if not path.is_file():
        raise BundleError(f"{path} is missing; copy the whole directory, or publish again")
    if (actual := sha256_file(path)) != expected.sha256:
        raise BundleError(f"{path} has sha256 {actual}, not {expected.sha256}; it was altered: publish again")
    try:
        batches, texts = map_batches(path)
    except StorageError as error:
        raise BundleError(f"{path} cannot be mapped; publish again: {error}") from error
    if texts != (wanted := {"bundle_id": info.bundle_id, "product": expected.product}):
        raise BundleError(f"{path} says {texts}; {ADS_FILE} wants {wanted}: publish again")
    return [_block(batch, expected.product) for batch in batches]


def _block(columns: Columns, product: str) -> AdBlock:
    tasks = {
        name.removeprefix(OUTPUT_PREFIX): matrix
        for name, matrix in columns.items()
        if name.startswith(OUTPUT_PREFIX)
    }
    return AdBlock(product, columns[_ID], tasks, columns[_BID], columns[_FEATURES])
