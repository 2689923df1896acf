"""A day of logs that has no scores yet."""

from pathlib import Path

import pyarrow as pa
import pytest

from mtmd.errors import LogsError
from mtmd.extras.kuairand.day_store import read_day_tables
from mtmd.logs.source import LogSource
from tests.extract.conftest import DAY, SCHEMAS, hand_made_day, the_declarations, write_table


def without(*columns: str) -> pa.Schema:
    return pa.schema([field for field in SCHEMAS["candidates"] if field.name not in columns])


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    for table, rows in hand_made_day().items():
        write_table(tmp_path / "logs", table, DAY, rows)
    return tmp_path / "logs"


def read(logs: Path) -> dict[str, pa.Table]:
    source = LogSource(logs)
    return read_day_tables(source, source.source_files(DAY), DAY, the_declarations())


def test_a_day_is_read_in_order_of_its_keys_and_scores_may_be_missing(logs: Path) -> None:
    write_table(logs, "candidates", DAY, hand_made_day()["candidates"], schema=without("ctr", "octr"))
    tables = read(logs)
    assert tables["requests"]["request_id"].to_pylist() == [10, 11, 12, 13]
    assert tables["ads"]["ad_id"].to_pylist() == [5, 6, 7, 9]
    pairs = tables["candidates"].select(["request_id", "ad_id"]).to_pylist()
    assert [tuple(pair.values()) for pair in pairs] == [(10, 5), (10, 7), (11, 9), (12, 5), (12, 7)]
    assert tables["candidates"]["ctr"].null_count == 5


def test_other_columns_are_needed_as_ever(logs: Path) -> None:
    write_table(logs, "candidates", DAY, hand_made_day()["candidates"], schema=without("ctr", "clicked"))
    with pytest.raises(LogsError, match=r"candidates of 2026-03-01: .*clicked \(missing; must be BOOLEAN\)"):
        read(logs)


def test_keys_are_checked(logs: Path) -> None:
    write_table(logs, "candidates", DAY, [row | {"ad_id": 99} for row in hand_made_day()["candidates"][:1]])
    with pytest.raises(LogsError, match=r"logs of 2026-03-01: candidates: 1 × .*99"):
        read(logs)
