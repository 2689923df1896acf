"""Arrow IPC files of plain number columns: written once, then memory-mapped as arrays.

A file holds record batches, uncompressed and without nulls, so each column of a batch is one contiguous piece of the
file and an array can view it. A matrix is a fixed-size list column; one without any number has no column. A column of
texts, which is numpy's bytes in UTF-8, is a large_string column; reading it copies it.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import DTypeLike, NDArray

from mtmd.errors import StorageError

_DTYPES = {
    pa.int8(): np.int8,
    pa.int32(): np.int32,
    pa.int64(): np.int64,
    pa.float16(): np.float16,
    pa.float32(): np.float32,
    pa.timestamp("us"): np.int64,
}

Columns = dict[str, NDArray[Any]]


class ColumnWriter(AbstractContextManager["ColumnWriter"]):
    """An Arrow IPC file that grows by batches of the same columns, and texts about them; memory holds one batch."""

    def __init__(self, path: Path, texts: Mapping[str, str] | None = None) -> None:
        self._sink, self._texts = path.open("wb"), dict(texts or {})
        self._writer: Any = None

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()
        self._sink.close()

    def write(self, columns: Mapping[str, NDArray[Any]]) -> None:
        """Append arrays of N rows, one- or two-dimensional."""
        arrays = {
            name: _to_arrow(values) for name, values in columns.items() if values.size or values.ndim == 1
        }
        batch = pa.record_batch(list(arrays.values()), names=list(arrays))
        if self._writer is None:
            schema = batch.schema.with_metadata(self._texts) if self._texts else batch.schema
            self._writer = pa.ipc.new_file(self._sink, schema)
        self._writer.write_batch(batch)


def write_columns(path: Path, columns: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays of N rows, one- or two-dimensional, as one Arrow IPC file of one batch."""
    with ColumnWriter(path) as writer:
        writer.write(columns)


def create_columns(path: Path, columns: Mapping[str, tuple[DTypeLike, tuple[int, ...]]]) -> Columns:
    """A file of zeros, as `write_columns` writes it, mapped: what is put into the arrays is in the file.

    `columns` are the dtype and the shape of each, (N,) or (N, width). The memory of the arrays is the kernel's to
    take back, so a file may be larger than what is free.
    """
    zeros = {name: np.zeros(shape, dtype) for name, (dtype, shape) in columns.items()}
    write_columns(path, zeros)
    (mapped,), _ = _map(path, "r+")
    return {name: values for name, values in zeros.items() if not values.size} | mapped


def map_columns(path: Path) -> Columns:
    """Arrays of a file of one batch: (N,) for a column, (N, width) for a matrix; a timestamp is int64 µs.

    Raises StorageError when the file is not one that `write_columns` wrote.
    """
    batches, _ = map_batches(path)
    if len(batches) != 1:
        raise StorageError(f"{path} has {len(batches)} record batches, not 1; remove its directory")
    return batches[0]


def map_batches(path: Path) -> tuple[list[Columns], dict[str, str]]:
    """Arrays that view the file, batch by batch, and the texts; raises StorageError when it is not readable."""
    # Mapped privately: torch wants a writable buffer, and a stray write never reaches the file.
    return _map(path, "c")


def _map(path: Path, mode: Literal["c", "r+"]) -> tuple[list[Columns], dict[str, str]]:
    try:
        mapped = np.memmap(path, dtype=np.uint8, mode=mode)
        reader = pa.ipc.open_file(pa.py_buffer(mapped))
        batches = [reader.get_batch(number) for number in range(reader.num_record_batches)]
        texts = {key.decode(): value.decode() for key, value in (reader.schema.metadata or {}).items()}
        names = reader.schema.names
        return [
            {name: _view(mapped, column) for name, column in zip(names, batch.columns, strict=True)}
            for batch in batches
        ], texts
    # A type that is none of ours is a KeyError; numpy's and most of arrow's are ValueErrors.
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise StorageError(f"{path} is not a readable Arrow file ({error}); remove its directory") from error


def _to_arrow(values: NDArray[Any]) -> pa.Array:
    if values.dtype.kind == "S":
        return pa.array(values.tolist(), pa.large_binary()).cast(pa.large_string())
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    return flat if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def _view(mapped: NDArray[np.uint8], column: pa.Array) -> NDArray[Any]:
    if pa.types.is_large_string(column.type):
        column.validate(full=True)  # offsets that lead out of the file would end the process
        return np.array(column.cast(pa.large_binary()).to_pylist(), np.bytes_)
    is_matrix = pa.types.is_fixed_size_list(column.type)
    values = column.values if is_matrix else column
    buffer = values.buffers()[1]
    start = buffer.address - mapped.ctypes.data
    dtype = np.dtype(_DTYPES[values.type])
    flat = np.asarray(mapped[start : start + len(values) * dtype.itemsize]).view(dtype)
    return flat.reshape(len(column), column.type.list_size) if is_matrix else flat
