"""Kinds of `[sources.<table>]` that this extra adds to a preset."""

import pytest
from pydantic import ValidationError

from mtmd.config import SourcesConfig

TABLE = {"kind": "postgresql", "connection": "LOGS_DATABASE", "table": "ads", "day_column": "day"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        # a connection string may not be in a preset
        ({"connection": "postgresql://me:secret@db/x"}, r"connection\n +String should match pattern"),
        ({"kind": "mysql"}, "kind is one of files, postgresql, iceberg, delta"),
    ],
)
def test_a_wrong_table_is_refused(changes: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SourcesConfig.model_validate({"ads": TABLE | changes})
