"""What only Delta has: URIs, and tables that deltalake can't read."""

import pytest

from mtmd.errors import LogsError
from tests.extras.tables.conftest import DAY, NEXT, Remote

pytest.importorskip("deltalake", reason="deltalake is not installed")
pytestmark = pytest.mark.parametrize("remote", ["delta"], indirect=True)


def test_a_table_may_be_at_a_uri(remote: Remote) -> None:
    table = remote.spooled(path=f"file://{remote.folder}/lake/ads")
    assert table.days() == {DAY, NEXT}


def test_a_table_with_deletion_vectors_is_refused_in_words(remote: Remote) -> None:
    from deltalake import DeltaTable, TableFeatures  # noqa: PLC0415 - where it is installed

    table = DeltaTable(remote.folder / "lake" / "ads")
    table.alter.add_feature(TableFeatures.DeletionVectors, allow_protocol_versions_increase=True)
    with pytest.raises(
        LogsError, match=r"^ads \(\[sources\.ads\]\): .*reader features: \{'deletionVectors'\}"
    ):
        remote.spooled().days()
