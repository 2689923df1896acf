"""The order of decided runs, by what their records' files say."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mtmd.registry.run_records import SUMMARY, run_paths
from mtmd.store.fetched import refresh
from mtmd.store.files import write_json
from mtmd.store.workspace import Workspace
from tests.buckets import S3

SECOND = 1_770_000_000
NAMES = [f"2026-02-{day:02d}-aa-bb" for day in range(1, 9)]


def record(line: Path, name: str) -> Path:
    path = line / "runs" / name / SUMMARY
    write_json(path, {"words": name})
    return path


def names(line: Path) -> list[str]:
    return [path.name for path in run_paths(Workspace(line))]


@pytest.mark.parametrize("later_ns", [1, 10**9])
def test_the_latest_record_of_a_line_on_the_disk_comes_first(tmp_path: Path, later_ns: int) -> None:
    for n, name in enumerate(reversed(NAMES)):
        time_ns = SECOND * 10**9 + n * later_ns
        os.utime(record(tmp_path, name), ns=(time_ns, time_ns))
    assert names(tmp_path) == NAMES


def test_records_of_one_second_in_a_bucket_are_in_the_order_of_their_days(
    s3: S3, machine: Callable[[str], Path]
) -> None:
    """A bucket has whole seconds: the rest of a file's time is a digest of its e-tag, and in no order."""
    line = machine("a")
    for name in NAMES:
        record(line, name)
    for name in NAMES:
        later = name == NAMES[0]
        os.utime(s3.path(f"s3://art/team/line/runs/{name}/{SUMMARY}"), (SECOND, SECOND + later))
    for which in "ab":
        line = machine(which)
        refresh(line)
        fractions = [path.stat().st_mtime_ns % 10**9 for path in sorted(line.glob(f"runs/*/{SUMMARY}"))]
        assert fractions != sorted(fractions)
        assert names(line) == [NAMES[0], *reversed(NAMES[1:])]
