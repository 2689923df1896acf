"""Arrow IPC files of plain number columns: written once, then memory-mapped as tensors.

A file holds one record batch, uncompressed and without nulls, so each column is one contiguous piece of the
file and a tensor can view it. A matrix is a fixed-size list column; one of width 0 has no column.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from mtmd.errors import StorageError

_DTYPES = {
    pa.int8(): np.int8,
    pa.int32(): np.int32,
    pa.int64(): np.int64,
    pa.float32(): np.float32,
    pa.timestamp("us"): np.int64,
}


def write_columns(path: Path, columns: dict[str, NDArray[np.generic]]) -> None:
    """Write arrays of N rows, one- or two-dimensional, as one Arrow IPC file."""
    arrays = {name: _to_arrow(values) for name, values in columns.items() if values.size or values.ndim == 1}
    batch = pa.record_batch(list(arrays.values()), names=list(arrays))
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)


def map_columns(path: Path) -> dict[str, Tensor]:
    """Tensors that view the file: (N,) for a column, (N, width) for a matrix; a timestamp is int64 µs.

    Raises StorageError when the file is not one that `write_columns` wrote.
    """
    try:
        # Mode "c" maps privately: torch wants a writable buffer, and a stray write never reaches the file.
        mapped = np.memmap(path, dtype=np.uint8, mode="c")
        reader = pa.ipc.open_file(pa.py_buffer(mapped))
        if reader.num_record_batches != 1:
            raise StorageError(
                f"{path} has {reader.num_record_batches} record batches, not 1; remove its directory"
            )
        batch = reader.get_batch(0)
    except (OSError, ValueError, pa.ArrowInvalid) as error:
        raise StorageError(f"{path} is not a readable Arrow file ({error}); remove its directory") from error
    return {
        name: _view(mapped, column) for name, column in zip(batch.schema.names, batch.columns, strict=True)
    }


def _to_arrow(values: NDArray[np.generic]) -> pa.Array:
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    return flat if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def _view(mapped: NDArray[np.uint8], column: pa.Array) -> Tensor:
    is_matrix = pa.types.is_fixed_size_list(column.type)
    values = column.values if is_matrix else column
    buffer = values.buffers()[1]
    start = buffer.address - mapped.ctypes.data
    dtype = np.dtype(_DTYPES[values.type])
    flat = torch.from_numpy(mapped[start : start + len(values) * dtype.itemsize].view(dtype))
    return flat.view(len(column), column.type.list_size) if is_matrix else flat
