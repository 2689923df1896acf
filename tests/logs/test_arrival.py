"""A day that comes late is waited for, up to a limit."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from mtmd.errors import LogsError
from mtmd.logs.arrival import await_day
from mtmd.logs.contract import TABLES
from mtmd.logs.source import LogSource

DAY = date(2026, 1, 25)


@dataclass
class Clock:
    """Time passes only in sleeps."""

    now: float = 0.0
    on_sleep: Callable[[], object] = lambda: None

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.on_sleep()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """What the wait goes by."""
    clock = Clock()
    monkeypatch.setattr("mtmd.logs.arrival.time", clock)
    return clock


def _deliver(logs: Path, table: str) -> None:
    folder = logs / table / f"date={DAY}"
    folder.mkdir(parents=True)
    (folder / "part-0.parquet").write_bytes(b"")


def test_a_day_that_is_there_is_not_waited_for(tmp_path: Path) -> None:
    for table in TABLES:
        _deliver(tmp_path, table)
    said: list[str] = []
    await_day(LogSource(tmp_path), DAY, 0.0, said.append)
    assert said == []


def test_a_late_day_is_waited_for_and_said(tmp_path: Path, clock: Clock) -> None:
    _deliver(tmp_path, "ads")
    said: list[str] = []

    def deliver() -> None:
        if clock.now > 0.05 and not (tmp_path / "requests").exists():
            for table in ("requests", "candidates"):
                _deliver(tmp_path, table)

    clock.on_sleep = deliver
    await_day(LogSource(tmp_path), DAY, 60.0, said.append, every_s=0.02)
    assert said == [
        "requests and candidates have no 2026-01-25 yet; waited 0 min of 1 min",
        "the logs of 2026-01-25 came after 0 min",
    ]


def test_at_the_limit_the_tables_that_lack_the_day_are_named(tmp_path: Path, clock: Clock) -> None:
    for table in ("requests", "candidates"):
        _deliver(tmp_path, table)
    said: list[str] = []
    with pytest.raises(
        LogsError, match=r"^ads has no 2026-01-25 yet after 0 min of waiting; have the day delivered"
    ):
        await_day(LogSource(tmp_path), DAY, 0.05, said.append, every_s=0.02)
    assert clock.now == pytest.approx(0.05)
    assert said == ["ads has no 2026-01-25 yet; waited 0 min of 0 min"]
