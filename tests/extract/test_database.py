"""Sessions: statements from sql/, a spill directory that does not stay."""

import math
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from mtmd.extract.database import session
from mtmd.logs.sql import SQL


def test_every_statement_says_its_own_name_and_grain() -> None:
    for path in SQL.glob("*.sql"):
        assert path.read_text().startswith(f"-- {path.stem}: one row per "), path


@pytest.mark.parametrize(
    "where",
    ["isnan(score)", "score >= 1", "not score < 1", "score > 0.5 or isnan(score)", "score = 'nan'::float"],
)
def test_a_number_that_is_none_is_seen_in_files_whose_statistics_leave_it_out(
    tmp_path: Path, where: str
) -> None:
    """As pyarrow and Spark write them."""
    file = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"score": pa.array([0.5, float("nan"), 0.25], pa.float32())}), file)
    with session(tmp_path / "spill", [tmp_path]) as connection:
        ask = f"select count(*), max(score) from '{file}' where {where}"
        ((count, most),) = connection.execute(ask).fetchall()
        assert (count, math.isnan(most)) == (1, True)
