"""What only Iceberg has: a table without a snapshot."""

import pytest

from mtmd.errors import LogsError
from tests.extras.tables.conftest import DAY, Remote, rows

pytest.importorskip("pyiceberg", reason="pyiceberg is not installed")
pytestmark = pytest.mark.parametrize("remote", ["iceberg"], indirect=True)


def test_a_table_without_rows_has_no_days(remote: Remote) -> None:
    from pyiceberg.catalog import load_catalog  # noqa: PLC0415 - where it is installed

    catalog = load_catalog("lake", **remote.section["properties"])
    catalog.create_table("logs.empty", schema=rows().schema)
    catalog.close()
    table = remote.spooled(table="logs.empty")
    assert table.days() == set()
    with pytest.raises(LogsError, match="has no row of the day"):
        table.files(DAY)
