"""What only Delta has: URIs, and tables that deltalake can't read; and only Iceberg: a table without a snapshot."""

import pytest

from mtmd.errors import LogsError
from tests.extras.tables.conftest import DAY, NEXT, Remote, rows

only_delta = pytest.mark.parametrize("remote", ["delta"], indirect=True)
only_iceberg = pytest.mark.parametrize("remote", ["iceberg"], indirect=True)


@only_delta
def test_a_table_may_be_at_a_uri(remote: Remote) -> None:
    table = remote.spooled(path=f"file://{remote.folder}/lake/ads")
    assert table.days() == {DAY, NEXT}


@only_delta
def test_a_table_with_deletion_vectors_is_refused_in_words(remote: Remote) -> None:
    from deltalake import DeltaTable, TableFeatures  # noqa: PLC0415 - where it is installed

    table = DeltaTable(remote.folder / "lake" / "ads")
    table.alter.add_feature(TableFeatures.DeletionVectors, allow_protocol_versions_increase=True)
    with pytest.raises(
        LogsError, match=r"^ads \(\[sources\.ads\]\): .*reader features: \{'deletionVectors'\}"
    ):
        remote.spooled().days()


@only_iceberg
def test_a_table_without_rows_has_no_days(remote: Remote) -> None:
    from pyiceberg.catalog import load_catalog  # noqa: PLC0415 - where it is installed

    catalog = load_catalog("lake", **remote.section["properties"])
    catalog.create_table("logs.empty", schema=rows().schema)
    catalog.close()
    table = remote.spooled(table="logs.empty")
    assert table.days() == set()
    with pytest.raises(LogsError, match="has no row of the day"):
        table.files(DAY)
