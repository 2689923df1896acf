"""The patch that lets great-expectations work on DuckDB, and the database that both share."""

from pathlib import Path
from tempfile import gettempdir

import duckdb
import pytest

from mtmd.errors import ConfigError
from mtmd.validate import gx_duckdb
from mtmd.validate.gx_duckdb import database, load


def test_great_expectations_fetches_rows_from_duckdb() -> None:
    gx = load()
    from great_expectations.expectations import ExpectColumnValuesToNotBeNull  # noqa: PLC0415

    with database() as opened:
        opened.rows("create table t as select nullif(i, 3) as i from range(5) r (i)")
        source = gx.get_context(mode="ephemeral").data_sources.add_sql(
            "patched", connection_string=opened.url
        )
        batch = source.add_query_asset("t", query="select * from t").add_batch_definition_whole_table("all")
        result = batch.get_batch().validate(ExpectColumnValuesToNotBeNull(column="i"))
        source.get_execution_engine().close()
        source.get_engine().dispose()
    assert (result.success, result.result["unexpected_count"]) == (False, 1)


def test_loading_twice_patches_once() -> None:
    load()
    load()
    from great_expectations.execution_engine import sqlalchemy_execution_engine as engine  # noqa: PLC0415

    assert [dialect.value for dialect in engine._PERSISTED_CONNECTION_DIALECTS].count("duckdb") == 1


def test_another_release_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gx_duckdb, "SUPPORTED", "0.18.0")
    with pytest.raises(ConfigError, match=r"great-expectations 1\.24\.1 is installed; .* exactly 0\.18\.0"):
        load()


def test_its_temporary_files_are_below_tmpdir_and_an_error_says_so() -> None:
    with database(()) as opened:
        (row,) = opened.rows("select current_setting('temp_directory') as spill")
    assert Path(row["spill"]).parent == Path(gettempdir())


def test_a_database_is_its_own_and_is_gone_afterwards() -> None:
    with database() as one, database() as other:
        one.rows("create table t as select 1 as i")
        assert one.rows("select $x + i as total from t", {"x": 2}) == [{"total": 3}]
        assert other.rows("select table_name from duckdb_tables()") == []
    assert one.url != other.url
    with duckdb.connect(one.url.removeprefix("duckdb:///")) as again:
        assert again.execute("select table_name from duckdb_tables()").fetchall() == []
