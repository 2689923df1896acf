"""Day shards: one day of logs, encoded, immutable, named by its fingerprint, memory-mapped.

docs/architecture.md says what a fingerprint depends on. The values of lists are in one file for each multi-valued
feature, beside the file of its side's rows: in the order in which the rows were read; each row has where its own begin.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, ValidationError
from torch import Tensor

from mtmd.config import Frozen, SideSchema
from mtmd.errors import StorageError
from mtmd.features.feature import EncodedList
from mtmd.logs.contract import TABLES
from mtmd.logs.encoding import EncodedSide
from mtmd.store.columns import Columns, ColumnWriter, create_columns, map_batches, map_columns
from mtmd.store.files import digest, read_json, sha256_file
from mtmd.store.stores import store_of

SHARD_FORMAT = 1  # raise it whenever the same logs would give other bytes: it is part of every fingerprint
MANIFEST = "manifest.json"


class FileRecord(Frozen):
    """Size and content digest of one file of a shard."""

    bytes: int
    sha256: str


class ShardManifest(Frozen):
    """What a shard was made from, and what it must look like."""

    format: int
    day: date
    fingerprint: str
    requests: int
    ads: int
    candidates: int
    files: dict[str, FileRecord]
    sources: dict[str, dict[str, str]]  # table → file name → sha256
    versions: dict[str, str]


class ShardRef(Frozen):
    """A shard on disk, small enough to hand from task to task."""

    day: date
    fingerprint: str
    path: str
    sources: str = Field(description="digest of the source files' content digests")
    requests: int
    ads: int
    candidates: int
    reused: bool


class Days(Frozen):
    """The shards of a run: the training window, oldest day first, and the held-out day after it."""

    window: tuple[ShardRef, ...]
    held_out: ShardRef

    @classmethod
    def of(cls, shards: Sequence[ShardRef]) -> Self:
        """From one shard a day, oldest first; the last one is held out."""
        return cls(window=tuple(shards[:-1]), held_out=shards[-1])

    @property
    def all(self) -> tuple[ShardRef, ...]:
        return (*self.window, self.held_out)


@dataclass(frozen=True)
class Shard:
    """One day in memory-mapped tensors: R requests, A ads, P candidates, T tasks.

    request_id, ts (µs since 1970, UTC)    (R,) int64, sorted by surface, then by the id in the logs; where ids are
                                           texts, each one's number (`mtmd/logs/contract.py`), of ads too
    surface                                (R,) int8, index of the surface
    candidate_start, candidate_count       (R,) int32, the request's rows in the candidate columns
    ad_id (A,) int64, product (A,) int8    sorted by product, then ad_id
    query, item                            encoded features of the R requests and the A ads
    request_row, ad_row                    (P,) int32, sorted by both
    teacher                                (P, T) float32 what each task learns from: a score, NaN where the task does
                                           not apply; or 1 and 0 as labels, NaN where not shown
    labels                                 (P, T) int8, 1 or 0, and -1 where not observed
    impressed (P,) int8, position (P,) int32 (-1 where not shown)
    """

    day: date
    fingerprint: str
    path: Path
    request_id: Tensor
    ts: Tensor
    surface: Tensor
    candidate_start: Tensor
    candidate_count: Tensor
    query: EncodedSide
    ad_id: Tensor
    product: Tensor
    item: EncodedSide
    request_row: Tensor
    ad_row: Tensor
    teacher: Tensor
    labels: Tensor
    impressed: Tensor
    position: Tensor

    @property
    def requests(self) -> int:
        return len(self.request_id)

    @property
    def ads(self) -> int:
        return len(self.ad_id)

    @property
    def candidates(self) -> int:
        return len(self.request_row)

    def domain(self, products: int) -> Tensor:
        """(P,) int64: surface · |products| + product of every candidate."""
        surface = self.surface.index_select(0, self.request_row).long()
        return surface * products + self.product.index_select(0, self.ad_row).long()


def read_manifest(path: Path, *, verify: bool = False) -> ShardManifest:
    """The shard's manifest, after comparing file sizes with it, and content digests too when `verify`.

    Raises StorageError naming what differs.
    """
    again = "Remove the shard and run again, which extracts it anew"
    try:
        manifest = ShardManifest.model_validate(read_json(path / MANIFEST))
    except ValidationError as error:
        raise StorageError(f"{path / MANIFEST} is no manifest of a shard ({error}). {again}") from error
    if manifest.format != SHARD_FORMAT:
        raise StorageError(
            f"shard {path} has format {manifest.format}; this code reads {SHARD_FORMAT}. {again}"
        )
    there = {file.name for file in path.glob("[!.]*")} - {MANIFEST} if verify else set()
    for name in sorted({*(f"{table}.arrow" for table in TABLES), *there, *manifest.files}):
        expected, file = manifest.files.get(name), path / name
        size = file.stat().st_size if file.is_file() else None
        if expected is None or size != expected.bytes:
            says = None if expected is None else expected.bytes
            raise StorageError(f"shard file {file} has {size} bytes; its manifest says {says}. {again}")
        if verify and sha256_file(file) != expected.sha256:
            raise StorageError(f"shard file {file} differs from its manifest's sha256. {again}")
    return manifest


def reference(path: Path, manifest: ShardManifest, *, reused: bool) -> ShardRef:
    """The reference to a stored shard."""
    shared = manifest.model_dump(include={"day", "fingerprint", "requests", "ads", "candidates"})
    return ShardRef(path=str(path), sources=digest(manifest.sources), reused=reused, **shared)


def open_shard(path: Path, *, verify: bool = False) -> Shard:
    """Map a shard; nothing is read before it is used.

    What is only in the line's bucket is fetched. Raises StorageError when a file is missing or has another size (or,
    with `verify`, other content).
    """
    try:
        manifest = read_manifest(path, verify=verify)
    except StorageError:
        if not store_of(path).fetch(path):
            raise
        manifest = read_manifest(path, verify=verify)
    columns = {table: map_columns(path / f"{table}.arrow") for table in TABLES}
    query = _side(path, "requests", columns["requests"], manifest.requests)
    item = _side(path, "ads", columns["ads"], manifest.ads)
    tensors = {name: torch.from_numpy(values) for table in columns.values() for name, values in table.items()}
    return Shard(manifest.day, manifest.fingerprint, path, query=query, item=item, **tensors)


def _side(path: Path, table: str, columns: dict[str, NDArray[Any]], rows: int) -> EncodedSide:
    """Take a side's features out of its columns; a matrix of width 0 has none in the file."""
    return EncodedSide(
        continuous=columns.pop("continuous", np.empty((rows, 0), np.float32)),
        categorical=columns.pop("categorical", np.empty((rows, 0), np.int32)),
        embedding=columns.pop("embedding", np.empty((rows, 0), np.float32)),
        lists=take_lists(columns, path, table),
    )


START, LENGTH = ".start", ".length"  # columns of a side's rows, after the feature's name, which has no dot


def list_file(table: str, feature: str) -> str:
    """Name of the file with a feature's values."""
    return f"{table}.{feature}.arrow"


class ListFiles:
    """Writes the lists of a side, batch by batch: values into the features' files, and where they are into columns."""

    def __init__(self, directory: Path, table: str, schema: SideSchema) -> None:
        self._paths = {feature.name: directory / list_file(table, feature.name) for feature in schema.lists}
        self._written = dict.fromkeys(self._paths, 0)
        self._open = ExitStack()
        self._writers: dict[str, ColumnWriter] = {}

    def __enter__(self) -> Self:
        for name, path in self._paths.items():
            self._writers[name] = self._open.enter_context(ColumnWriter(_parts(path)))
        return self

    def __exit__(self, kind: object, error: object, _: object) -> None:
        self._open.close()
        if error is None:
            for path in self._paths.values():
                _join(path)

    def write(self, columns: Columns, place: NDArray[np.int32], encoded: EncodedSide) -> None:
        """Append the values of a batch, whose rows go to `place` in the side's columns."""
        for (name, writer), lists in zip(self._writers.items(), encoded.lists, strict=True):
            writer.write({"ids": lists.ids})
            columns[f"{name}{START}"][place] = lists.start + self._written[name]
            columns[f"{name}{LENGTH}"][place] = lists.length
            self._written[name] += len(lists.ids)


def take_lists(columns: Columns, path: Path, table: str) -> tuple[EncodedList, ...]:
    """The lists of a side, taken out of its columns, in their order; the values of each have a file."""
    names = [name.removesuffix(START) for name in columns if name.endswith(START)]
    values = {name: map_columns(path / list_file(table, name))["ids"] for name in names}
    return tuple(
        EncodedList(columns.pop(f"{name}{START}"), columns.pop(f"{name}{LENGTH}"), values[name])
        for name in names
    )


def _parts(path: Path) -> Path:
    return path.with_suffix(".parts")


def _join(path: Path) -> None:
    """Copy the batches of a feature into one, so that its values can be mapped as one array."""
    batches, _ = map_batches(_parts(path))
    parts = [batch["ids"] for batch in batches]
    joined, start = create_columns(path, {"ids": (np.int32, (sum(map(len, parts)),))}), 0
    for part in parts:
        joined["ids"][start : start + len(part)] = part
        start += len(part)
    _parts(path).unlink()
