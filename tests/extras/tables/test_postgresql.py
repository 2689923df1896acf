"""What only PostgreSQL has: the connection string, queries of versions and days, and types of its own."""

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mtmd.config import SourcesConfig
from mtmd.errors import ConfigError, LogsError
from mtmd.extras.tables.readers import SpooledTable, opened
from tests.extras.tables.conftest import DAY, NEXT, VARIABLE, Remote, rows
from tests.flows.postgresql import PASSWORD

pytest.importorskip("adbc_driver_postgresql", reason="adbc_driver_postgresql is not installed")
only_postgresql = pytest.mark.parametrize("remote", ["postgresql"], indirect=True)


def elsewhere(folder: Path) -> SpooledTable:
    section = {"kind": "postgresql", "connection": VARIABLE, "table": "ads", "day_column": "day"}
    config = SourcesConfig.model_validate({"ads": section}).ads
    return SpooledTable("ads", config, folder, folder)


def test_a_variable_that_is_not_set_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(
        ConfigError, match=rf"the environment variable {VARIABLE} is not set; set it to the conn"
    ):
        elsewhere(tmp_path).days()


@pytest.mark.parametrize(
    "address",
    ["top secret", "postgresql://me:secret@127.0.0.1:1/x", "postgresql://me:secret@127.0.0.1:port/x"],
)
def test_no_message_has_the_connection_string(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, address)
    with pytest.raises(LogsError, match="PostgreSQL says: ") as caught:
        elsewhere(tmp_path).days()
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None or "secret" not in str(caught.value.__cause__)


@only_postgresql
def test_a_declared_version_decides_what_is_fetched(remote: Remote) -> None:
    table = remote.spooled(
        version_sql="select count(*)::text from logs.ads where day = $1", days_sql="select date '2026-01-05'"
    )
    assert table.days() == {DAY}
    first = table.refresh(DAY)
    remote.append(rows(9, day=NEXT))
    assert table.refresh(DAY) == first
    remote.append(rows(9))
    assert table.refresh(DAY) != first


@only_postgresql
def test_a_version_is_one_value(remote: Remote) -> None:
    with pytest.raises(LogsError, match="version_sql gave 4 rows of 1 columns; it must give one value"):
        remote.spooled(version_sql="select ad_id from logs.ads").refresh(DAY)


@only_postgresql
def test_a_view_may_make_columns_that_the_contract_has(remote: Remote) -> None:
    statement = "create view logs.seen as select ad_id, bid::numeric(10, 2) as price, day from logs.ads"
    address = os.environ[VARIABLE]
    assert PASSWORD not in address  # it is quoted there
    import adbc_driver_postgresql.dbapi  # noqa: PLC0415 - where it is installed

    with (
        adbc_driver_postgresql.dbapi.connect(address, autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    (path,) = remote.spooled(table="logs.seen").files(DAY)
    table = pq.read_table(path, partitioning=None)
    assert sorted(table["price"].to_pylist()) == ["0.50", "1.00", "1.50"]  # text: a statement casts it


@only_postgresql
def test_a_version_and_its_rows_are_of_one_moment(remote: Remote) -> None:
    with opened(remote.spooled().config, remote.folder) as table:
        table.version(DAY)
        remote.append(rows(8))
        assert table.rows(DAY).read_all()["ad_id"].to_pylist() == [1, 2, 3]
    with opened(remote.spooled().config, remote.folder) as table:
        assert len(table.rows(DAY).read_all()) == 4
