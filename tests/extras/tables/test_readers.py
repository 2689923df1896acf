"""Days of real tables of each kind: fetched once for each of their versions, and read as files."""

import logging
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from mtmd.errors import LogsError
from tests.extras.tables.conftest import DAY, NEXT, Remote, rows


def ads(paths: list[Path]) -> list[int]:
    (path,) = paths
    return sorted(pq.read_table(path, partitioning=None)["ad_id"].to_pylist())


@pytest.mark.parametrize("column", ["day", "seen", "dt"])
def test_a_day_is_fetched_by_a_column_of_dates_times_or_text(remote: Remote, column: str) -> None:
    table = remote.spooled(day_column=column)
    assert table.days() == {DAY, NEXT}
    assert (ads(table.files(DAY)), ads(table.files(NEXT))) == ([1, 2, 3], [4])
    assert table.files(DAY)[0].parent.parent == remote.folder / "spool" / "ads" / "2026-01-05"


def test_the_columns_are_those_of_the_table_or_those_that_are_asked_for(remote: Remote) -> None:
    (path,) = remote.spooled().files(DAY)
    table = pq.read_table(path, partitioning=None).sort_by("ad_id")
    assert table.to_pylist() == rows(1, 2, 3).to_pylist()
    assert not any(field.metadata for field in table.schema)
    (path,) = remote.spooled(columns=["bid", "ad_id"]).files(DAY)
    assert sorted(pq.read_schema(path).names) == ["ad_id", "bid"]


def test_a_day_is_fetched_once_for_each_of_its_versions(
    remote: Remote, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="mtmd.extras.tables.readers")
    table = remote.spooled()
    first = table.refresh(DAY)
    assert table.refresh(DAY) == first
    files = table.files(DAY)
    remote.append(rows(5, day=NEXT))
    assert table.refresh(DAY).version == first.version
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("ads of 2026-01-05: fetched")
    remote.append(rows(6))
    assert table.files(DAY) == files  # until somebody asks for what is there by now
    assert table.refresh(DAY).version != first.version
    assert ads(table.files(DAY)) == [1, 2, 3, 6]
    assert ads(files) == [1, 2, 3]
    remote.delete(2)
    table.refresh(DAY)
    assert ads(table.files(DAY)) == [1, 3, 6]


def test_another_section_fetches_the_day_again(remote: Remote) -> None:
    whole, part = remote.spooled(), remote.spooled(columns=["ad_id"])
    first = whole.files(DAY)
    assert part.files(DAY) != first
    assert whole.files(DAY) == first
    assert replace(whole, root="elsewhere")._current(DAY) is None


def test_a_fetched_day_that_is_damaged_is_fetched_again(remote: Remote) -> None:
    table = remote.spooled()
    (path,) = table.files(DAY)
    content = path.read_bytes()
    path.write_bytes(content[:-5] + b"?" + content[-4:])
    table.refresh(DAY)
    assert ads(table.files(DAY)) == [1, 2, 3]
    path.unlink()
    assert ads(table.files(DAY)) == [1, 2, 3]


def test_a_day_without_rows_is_named(remote: Remote) -> None:
    with pytest.raises(
        LogsError, match=r"ads of 2026-01-07: the table of \[sources\.ads\] has no row of the day; del"
    ):
        remote.spooled().files(date(2026, 1, 7))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"day_column": "nope"}, "nope"),
        ({"columns": ["nope"]}, "nope"),
        ({"table": "logs.nope", "path": "lake/nope"}, "nope"),
        ({"day_column": "bid"}, "day_column is float; it must be a date, a time or text"),
    ],
)
def test_what_is_not_in_the_table_is_said_with_the_section(
    remote: Remote, changes: dict[str, Any], words: str
) -> None:
    known = {key: value for key, value in changes.items() if key in remote.section or key == "columns"}
    with pytest.raises(LogsError, match=r"^ads \(\[sources\.ads\]\): ") as caught:
        remote.spooled(**known).refresh(DAY)
    assert words in str(caught.value)
