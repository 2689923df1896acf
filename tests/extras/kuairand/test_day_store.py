"""A folder of logs is complete with its marker and all days, and is replaced only by the command that wrote it."""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from mtmd.config import Frozen
from mtmd.errors import LogsError
from mtmd.extras.kuairand.day_store import DayStore
from mtmd.logs.contract import TABLES
from mtmd.logs.files import day_files

DAY = date(2026, 3, 1)
ROWS = pa.table({"x": [1]})


class Written(Frozen):
    days: tuple[date, ...]


REPORT = Written(days=(DAY,))


def store(logs: Path, identity: str = "a") -> DayStore[Written]:
    return DayStore(logs, "marker.json", identity, Written)


def written(logs: Path) -> DayStore[Written]:
    made = store(logs)
    made.begin()
    made.write(DAY, dict.fromkeys(TABLES, ROWS))
    return made


def test_logs_are_complete_once_they_are_finished(tmp_path: Path) -> None:
    made = written(tmp_path)
    assert made.complete("days") is None
    made.finish(REPORT)
    assert made.complete("days") == REPORT
    assert store(tmp_path, "b").complete("days") is None


def test_logs_without_one_of_their_files_are_not_complete(tmp_path: Path) -> None:
    made = written(tmp_path)
    made.finish(REPORT)
    day_files(tmp_path, "ads", DAY)[0].unlink()
    assert made.complete("days") is None


@pytest.mark.parametrize("size", [0, 100])
def test_logs_with_a_file_that_was_cut_off_are_not_complete(tmp_path: Path, size: int) -> None:
    made = written(tmp_path)
    made.finish(REPORT)
    file = day_files(tmp_path, "ads", DAY)[0]
    file.write_bytes(file.read_bytes()[:size])
    assert made.complete("days") is None


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", '{"identity": "a", "report": {"dates": []}}'])
def test_logs_with_a_damaged_marker_are_written_again(tmp_path: Path, content: str) -> None:
    made = written(tmp_path)
    made.finish(REPORT)
    (tmp_path / "marker.json").write_text(content)
    assert made.complete("days") is None
    made.begin()
    assert not any((tmp_path / table).exists() for table in TABLES)


def test_other_days_of_the_same_command_are_removed(tmp_path: Path) -> None:
    written(tmp_path).finish(REPORT)
    other = store(tmp_path, "b")
    other.begin()
    assert not any((tmp_path / table).exists() for table in TABLES)
    assert store(tmp_path).complete("days") is None


def test_tables_without_the_marker_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "ads").mkdir()
    with pytest.raises(
        LogsError, match=r"holds \['ads'\] without marker.json, so this command did not write them"
    ):
        store(tmp_path).begin()
