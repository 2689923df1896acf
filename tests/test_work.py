"""What a day costs: a structural saving that is lost fails here, at any speed."""

import time
from datetime import date
from pathlib import Path

import pytest

from mtmd.config import Preset
from mtmd.extract.stage import extract_day
from mtmd.logs import digests
from mtmd.logs.contract import TABLES
from mtmd.logs.source import LogSource
from mtmd.run import plan_window


def test_a_window_with_one_new_day_reads_one_day(
    tiny_logs: Path, tiny_preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    sha256_file = digests.sha256_file

    def counted(path: Path) -> str:
        read.append(path.parent.name)
        return sha256_file(path)

    monkeypatch.setattr(digests, "sha256_file", counted)
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 60 * 10**9)  # the logs were not written just now

    def extract(as_of: date) -> int:
        days = (*plan_window(as_of, 5), as_of)
        return sum(
            not extract_day(LogSource(tiny_logs), day, tiny_preset.declarations, tmp_path).reused
            for day in days
        )

    assert extract(date(2026, 1, 6)) == 6
    read.clear()
    assert extract(date(2026, 1, 7)) == 1
    assert set(read) == {"date=2026-01-07"}
    assert len(read) == sum(
        len(list((tiny_logs / table / "date=2026-01-07").glob("*.parquet"))) for table in TABLES
    )
