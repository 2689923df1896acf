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


def test_the_spill_directory_goes_with_the_session(tmp_path: Path) -> None:
    spill = tmp_path / "spill"
    with session(spill) as connection:
        connection.execute("set memory_limit = '60MB'")
        connection.execute("set threads = 1")
        connection.execute(
            "create temp table t as select md5(i::varchar) as text from range(2000000) as r(i) order by text"
        )
        assert connection.table("t").shape[0] == 2_000_000
        assert list(spill.iterdir())
    assert not spill.exists()


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
    with session(tmp_path / "spill") as connection:
        ask = f"select count(*), max(score) from '{file}' where {where}"
        ((count, most),) = connection.execute(ask).fetchall()
        assert (count, math.isnan(most)) == (1, True)
