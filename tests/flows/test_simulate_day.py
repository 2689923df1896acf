"""The simulated platform's nightly delivery."""

from datetime import date
from pathlib import Path

from mtmd.flows.upkeep import simulate_day
from mtmd.logs.source import LogSource


def test_a_day_is_written_once(prefect_server: str, tmp_path: Path) -> None:
    day = date(2026, 1, 2)
    done = simulate_day(day, days=1, logs=str(tmp_path / "logs"))
    assert (done.first, done.last, done.written) == (day, day, 1)
    assert LogSource(tmp_path / "logs").available_days() == (day,)
    assert simulate_day(day, days=1, logs=str(tmp_path / "logs")).written == 0
