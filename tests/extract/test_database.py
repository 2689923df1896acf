"""Sessions: statements from mtmd/sql/, a spill directory that does not stay."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mtmd.errors import ConfigError
from mtmd.extract.database import create_view, describe, session
from mtmd.logs.sql import SQL, statement


def test_every_statement_says_its_own_name_and_grain() -> None:
    for path in SQL.glob("*.sql"):
        assert path.read_text().startswith(f"-- {path.stem}: one row per "), path


def test_an_unknown_statement_is_named() -> None:
    with pytest.raises(ConfigError, match=r"shard_nothing\.sql does not exist"):
        statement("shard_nothing")


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


def test_describe_reads_names_and_types_of_one_file(logs: Path, tmp_path: Path) -> None:
    path = logs / "ads" / "date=2026-03-01" / "part-0.parquet"
    with session(tmp_path / "spill") as connection:
        assert describe(connection, statement("source_ads"), {"paths": [str(path)]}) == {
            "ad_id": "BIGINT",
            "product": "VARCHAR",
            "goal": "VARCHAR",
            "bid": "FLOAT",
            "topic": "INTEGER",
        }


def test_a_view_reads_its_files_anew_and_keeps_no_copy(logs: Path, tmp_path: Path) -> None:
    path = logs / "ads" / "date=2026-03-01" / "part-0.parquet"
    with session(tmp_path / "spill") as connection:
        create_view(connection, "source_ads", statement("source_ads"), {"paths": [str(path)]})
        rows = connection.table("source_ads").shape[0]
        pq.write_table(pq.ParquetFile(path).read().slice(0, 1), path)
        assert (rows, connection.table("source_ads").shape[0]) == (4, 1)
