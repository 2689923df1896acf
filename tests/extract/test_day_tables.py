"""A day of logs that has no scores yet."""

from pathlib import Path

import pyarrow as pa
import pytest

from mtmd.config import Declarations
from mtmd.errors import LogsError
from mtmd.extract.day_tables import read_day_tables
from mtmd.logs.source import LogSource
from tests.extract.conftest import DAY, SCHEMAS, Rows, write_table


def without(*columns: str) -> pa.Schema:
    return pa.schema([field for field in SCHEMAS["candidates"] if field.name not in columns])


def read(logs: Path, declarations: Declarations) -> dict[str, pa.Table]:
    return read_day_tables(LogSource(logs), LogSource(logs).source_files(DAY), DAY, declarations)


def test_a_day_is_read_in_order_of_its_keys_and_scores_may_be_missing(
    logs: Path, day: dict[str, Rows], declarations: Declarations
) -> None:
    write_table(logs, "candidates", DAY, day["candidates"], schema=without("ctr", "octr"))
    tables = read(logs, declarations)
    assert tables["requests"]["request_id"].to_pylist() == [10, 11, 12, 13]
    assert tables["ads"]["ad_id"].to_pylist() == [5, 6, 7, 9]
    pairs = tables["candidates"].select(["request_id", "ad_id"]).to_pylist()
    assert [tuple(pair.values()) for pair in pairs] == [(10, 5), (10, 7), (11, 9), (12, 5), (12, 7)]
    assert tables["candidates"]["ctr"].null_count == 5


def test_other_columns_are_needed_as_ever(
    logs: Path, day: dict[str, Rows], declarations: Declarations
) -> None:
    write_table(logs, "candidates", DAY, day["candidates"], schema=without("ctr", "clicked"))
    with pytest.raises(LogsError, match=r"candidates of 2026-03-01: .*clicked \(missing; must be BOOLEAN\)"):
        read(logs, declarations)


def test_keys_are_checked(logs: Path, day: dict[str, Rows], declarations: Declarations) -> None:
    write_table(logs, "candidates", DAY, [row | {"ad_id": 99} for row in day["candidates"][:1]])
    with pytest.raises(LogsError, match=r"logs of 2026-03-01: candidates: 1 × .*99"):
        read(logs, declarations)
