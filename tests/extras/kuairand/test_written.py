"""A folder of logs is complete with its report and all its files, and is replaced only by the command that wrote it."""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from mtmd.errors import LogsError
from mtmd.extras.kuairand.written import Days, TaughtLogs, written_once
from mtmd.logs.contract import TABLES
from mtmd.logs.source import LogSource

DAYS = (date(2026, 3, 1), date(2026, 3, 2))
ROWS = dict.fromkeys(TABLES, pa.table({"x": [1]}))


REPORT = TaughtLogs(logs="x", only_taught=(), days=DAYS, candidates=2, members=1, tasks=())


def write(logs: Path, identity: str = "a", days: Days | None = None) -> bool:
    """Whether it was there."""

    def make() -> tuple[TaughtLogs, Days]:
        return REPORT, iter([(day, ROWS) for day in DAYS]) if days is None else days

    report = written_once(logs, "marker.json", identity, make)
    assert report.days == DAYS
    return report.reused


def test_logs_are_written_once_for_each_identity(tmp_path: Path) -> None:
    assert [write(tmp_path, name) for name in ("a", "a", "b", "a", "a")] == [False, True, False, False, True]
    assert LogSource(tmp_path).available_days() == DAYS


FILE = f"ads/date={DAYS[0]}/part-0.parquet"


@pytest.mark.parametrize(
    ("name", "size"), [(FILE, None), (FILE, 100), ("marker.json", 0), ("marker.json", 100)]
)
def test_logs_whose_files_are_not_as_they_were_written_are_written_again(
    tmp_path: Path, name: str, size: int | None
) -> None:
    write(tmp_path)
    file = tmp_path / name
    file.unlink() if size is None else file.write_bytes(file.read_bytes()[:size])
    assert [write(tmp_path), write(tmp_path)] == [False, True]


def test_a_writing_that_breaks_off_changes_nothing(tmp_path: Path) -> None:
    def breaks() -> Days:
        yield DAYS[0], ROWS
        raise LogsError("changed")

    write(tmp_path)
    with pytest.raises(LogsError, match="changed"):
        write(tmp_path, "b", breaks())
    assert LogSource(tmp_path).available_days() == DAYS
    assert write(tmp_path)


def test_what_else_the_folder_has_stays(tmp_path: Path) -> None:
    """Such as the logs that the new ones are made from, or a download."""
    (kept := tmp_path / "raw" / "log.csv").parent.mkdir()
    kept.write_text("of years")
    logs = tmp_path / "linked"
    logs.symlink_to(tmp_path)
    for identity in ("a", "b"):
        assert not write(logs, identity)
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
            (".lock", "raw", "linked", "marker.json", *TABLES)
        )
    assert kept.read_text() == "of years"
    assert logs.is_symlink()


def test_a_writing_that_was_killed_between_two_tables_is_made_again(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "marker.json").write_text('{"identity": null}')
    (tmp_path / ".new").mkdir()
    (tmp_path / "ads").rename(tmp_path / ".new" / "ads")
    assert [write(tmp_path), write(tmp_path)] == [False, True]
    assert not (tmp_path / ".new").exists()


def test_tables_without_the_marker_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "ads").mkdir()
    with pytest.raises(
        LogsError, match=r"holds \['ads'\] without marker.json, so this command did not write them"
    ):
        write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["ads"]
