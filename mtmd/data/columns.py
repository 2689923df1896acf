"""Arrow IPC files of plain number columns: written once, then memory-mapped as tensors.

A file holds one record batch, uncompressed and without nulls, so each column is one contiguous piece of the
file and a tensor can view it. A matrix is a fixed-size list column; one of width 0 has no column.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from mtmd.errors import StorageError

Columns = dict[str, NDArray[np.generic]]

_DTYPES = {
    pa.int8(): np.int8,
    pa.int32(): np.int32,
    pa.int64(): np.int64,
    pa.float32(): np.float32,
    pa.timestamp("us"): np.int64,
}


def write_columns(path: Path, columns: Columns) -> None:
    """Write arrays of N rows, one- or two-dimensional, as one Arrow IPC file."""
    arrays = {name: _to_arrow(values) for name, values in columns.items() if values.size or values.ndim == 1}
    batch = pa.record_batch(list(arrays.values()), names=list(arrays))
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)


def create_columns(path: Path, columns: dict[str, tuple[DTypeLike, tuple[int, ...]]]) -> Columns:
    """A file of zeros, as `write_columns` writes it, mapped: what is put into the arrays is in the file.

    `columns` are the dtype and the shape of each, (N,) or (N, width). The memory of the arrays is the kernel's to
    take back, so a file may be larger than what is free.
    """
    zeros = {name: np.zeros(shape, dtype) for name, (dtype, shape) in columns.items()}
    write_columns(path, zeros)
    mapped = np.memmap(path, dtype=np.uint8, mode="r+")
    return {name: values for name, values in zeros.items() if not values.size} | _views(mapped, path)


def map_columns(path: Path) -> dict[str, Tensor]:
    """Tensors that view the file: (N,) for a column, (N, width) for a matrix; a timestamp is int64 µs.

    Raises StorageError when the file is not one that `write_columns` wrote.
    """
    try:
        # Mode "c" maps privately: torch wants a writable buffer, and a stray write never reaches the file.
        mapped = np.memmap(path, dtype=np.uint8, mode="c")
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    return {name: torch.from_numpy(values) for name, values in _views(mapped, path).items()}


def _views(mapped: NDArray[np.uint8], path: Path) -> Columns:
    try:
        reader = pa.ipc.open_file(pa.py_buffer(mapped))
        if reader.num_record_batches != 1:
            raise StorageError(
                f"{path} has {reader.num_record_batches} record batches, not 1; remove its directory"
            )
        batch = reader.get_batch(0)
    except (OSError, ValueError, pa.ArrowInvalid) as error:
        raise _unreadable(path, error) from error
    return {
        name: _view(mapped, column) for name, column in zip(batch.schema.names, batch.columns, strict=True)
    }


def _to_arrow(values: NDArray[np.generic]) -> pa.Array:
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    return flat if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def _view(mapped: NDArray[np.uint8], column: pa.Array) -> NDArray[np.generic]:
    is_matrix = pa.types.is_fixed_size_list(column.type)
    values = column.values if is_matrix else column
    buffer = values.buffers()[1]
    start = buffer.address - mapped.ctypes.data
    dtype = np.dtype(_DTYPES[values.type])
    flat = mapped[start : start + len(values) * dtype.itemsize].view(dtype)
    return flat.reshape(len(column), column.type.list_size) if is_matrix else flat


def _unreadable(path: Path, error: Exception) -> StorageError:
    return StorageError(f"{path} is not a readable Arrow file ({error}); remove its directory")
