"""Arrow files of plain numbers: what is written is what is mapped, and nothing is copied."""

import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mtmd.errors import StorageError
from mtmd.store.columns import ColumnWriter, create_columns, map_batches, map_columns, write_columns

VALUES = {
    "small": np.array([1, -1, 127], np.int8),
    "when": np.array(["2026-03-01T12:00:00", "1970-01-01", "1969-12-31T23:59:59"], "datetime64[us]"),
    "matrix": np.array([[1, 2], [3, np.nan], [5, 6]], np.float32),
    "codes": np.arange(9, dtype=np.int32).reshape(3, 3).T,
    "nothing": np.empty((3, 0), np.float32),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_columns(tmp_path / "columns.arrow", VALUES)
    return tmp_path / "columns.arrow"


def test_columns_come_back_as_arrays_of_the_same_values(path: Path) -> None:
    columns = map_columns(path)
    assert columns["small"].tolist() == [1, -1, 127]
    assert columns["small"].dtype == np.int8
    assert columns["when"].tolist() == [1_772_366_400_000_000, 0, -1_000_000]
    assert columns["codes"].tolist() == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]
    np.testing.assert_array_equal(columns["matrix"], np.array([[1, 2], [3, np.nan], [5, 6]], np.float32))
    assert columns["matrix"].dtype == np.float32
    assert "nothing" not in columns


@pytest.mark.parametrize("texts", [["b", "é", "東京", "x" * 300], []])
def test_texts_come_back_as_their_bytes(tmp_path: Path, texts: list[str]) -> None:
    given = np.array([text.encode() for text in texts], np.bytes_)
    write_columns(tmp_path / "texts.arrow", {"id": given, "row": np.arange(len(texts))})
    columns = map_columns(tmp_path / "texts.arrow")
    assert columns["id"].tolist() == given.tolist()
    assert columns["row"].tolist() == list(range(len(texts)))
    with pa.memory_map(str(tmp_path / "texts.arrow")) as file:
        assert pa.ipc.open_file(file).schema.field("id").type == pa.large_string()


def test_arrays_are_views_of_one_private_mapping(path: Path) -> None:
    before = path.read_bytes()
    columns = map_columns(path)
    start = min(column.ctypes.data for column in columns.values())
    assert all(0 <= column.ctypes.data - start < len(before) for column in columns.values())
    columns["codes"][:] = -7  # a stray write stays in this process
    assert path.read_bytes() == before
    assert map_columns(path)["codes"][0, 0] == 0


def test_a_file_that_is_not_arrow_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "columns.arrow"
    for content in (b"", b"not arrow at all"):
        path.write_bytes(content)
        with pytest.raises(StorageError, match=r"columns\.arrow is not a readable Arrow file"):
            map_columns(path)


def test_batches_come_back_one_by_one_with_the_texts_about_them(tmp_path: Path) -> None:
    path = tmp_path / "columns.arrow"
    with ColumnWriter(path, {"of": "bundle"}) as writer:
        writer.write({"x": np.array([[1.5, -2.0]], np.float16)})
        writer.write({"x": np.array([[0.0, 65504.0], [3.0, 4.0]], np.float16)})
    batches, texts = map_batches(path)
    assert [batch["x"].tolist() for batch in batches] == [[[1.5, -2.0]], [[0.0, 65504.0], [3.0, 4.0]]]
    assert batches[0]["x"].dtype == np.float16
    assert texts == {"of": "bundle"}
    with pytest.raises(StorageError, match="has 2 record batches, not 1"):
        map_columns(path)


def test_columns_that_are_filled_in_place_give_the_file_that_writing_them_gives(path: Path) -> None:
    filled = path.with_name("filled")
    columns = create_columns(filled, {name: (v.dtype, v.shape) for name, v in VALUES.items()})
    for name, array in VALUES.items():
        columns[name][:] = array.view(np.int64) if name == "when" else array
    assert filled.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("offset", [2**40, -1, 3])
def test_texts_whose_offsets_lead_elsewhere_are_refused(tmp_path: Path, offset: int) -> None:
    """Reading them would end the process."""
    path = tmp_path / "texts.arrow"
    write_columns(path, {"id": np.array([b"ab", b"c"])})
    content, written = path.read_bytes(), struct.pack("<3q", 0, 2, 3)
    assert content.count(written) == 1
    path.write_bytes(content.replace(written, struct.pack("<3q", 0, offset, 2)))
    with pytest.raises(StorageError, match="is not a readable Arrow file"):
        map_columns(path)
