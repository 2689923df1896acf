"""Streaming parts, and all or nothing."""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mtmd.sources.simulated.writer import day_writer

DAY = date(2026, 1, 1)
ROWS = pa.table({"x": [1, 2, 3]})


def test_a_full_part_is_followed_by_another(tmp_path: Path) -> None:
    with day_writer(tmp_path, DAY, ["ads"], rows_per_file=5) as write:
        for _ in range(3):
            write("ads", ROWS)
    parts = sorted((tmp_path / "ads" / "date=2026-01-01").iterdir())
    assert [part.name for part in parts] == ["part-0.parquet", "part-1.parquet"]
    assert [pq.read_metadata(part).num_rows for part in parts] == [6, 3]


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with day_writer(tmp_path, DAY, ["ads", "requests"], 5) as write:
            write("ads", ROWS)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert list(tmp_path.rglob("*.parquet")) == []
    assert list(tmp_path.rglob(".tmp-*")) == []


def test_tables_that_are_there_are_left_alone(tmp_path: Path) -> None:
    with day_writer(tmp_path, DAY, ["ads"], 5) as write:
        write("requests", ROWS)
        write("ads", ROWS)
    assert not (tmp_path / "requests").exists()
