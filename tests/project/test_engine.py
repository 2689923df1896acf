"""The engine of a check reaches nothing outside."""

import pytest

from mtmd.project.engine import Connection, EngineError, rows


def test_rows_are_dictionaries(connection: Connection) -> None:
    assert rows(connection, "select 1 as a, $b as b", {"b": "x"}) == [{"a": 1, "b": "x"}]


@pytest.mark.parametrize(
    "sql",
    [
        "set autoinstall_known_extensions = true",
        "select * from read_parquet('https://127.0.0.1:9/x.parquet')",
    ],
)
def test_no_setting_can_be_changed_and_no_extension_is_loaded(connection: Connection, sql: str) -> None:
    with pytest.raises(EngineError, match=r"(?i)lock|httpfs"):
        rows(connection, sql)
