"""What only Iceberg has: a table by the path of its metadata, and one without a snapshot."""

import sqlite3

import pyarrow.parquet as pq
import pytest

from tests.extras.tables.conftest import DAY, NEXT, Remote, rows

pytest.importorskip("pyiceberg", reason="pyiceberg is not installed")
pytestmark = pytest.mark.parametrize("remote", ["iceberg"], indirect=True)


def test_a_path_of_metadata_is_the_table_as_it_was_then(remote: Remote) -> None:
    with sqlite3.connect(remote.folder / "catalog.db") as catalog:
        ((location,),) = catalog.execute("select metadata_location from iceberg_tables").fetchall()
    catalog.close()
    table = remote.spooled(table=location, catalog=None, properties={})
    before = table.refresh(DAY)
    assert before.state.startswith("snapshot ")
    remote.append(rows(7))
    assert table.days() == {DAY, NEXT}
    assert table.refresh(DAY) == before
    assert pq.read_metadata(table.files(DAY)[0]).num_rows == 3


def test_a_table_without_rows_has_no_days(remote: Remote) -> None:
    from pyiceberg.catalog import load_catalog  # noqa: PLC0415 - where it is installed

    catalog = load_catalog("lake", **remote.section["properties"])
    catalog.create_table("logs.empty", schema=rows().schema)
    catalog.close()
    table = remote.spooled(table="logs.empty")
    assert table.days() == set()
    assert table.refresh(DAY).state == "no snapshot"
    assert not table.has_day(DAY)
