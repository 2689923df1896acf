from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from mtmd.errors import ConfigError, LogsError
from mtmd.stages import plan_run, scheduled_as_of


def _days(logs: Path, first: int, last: int) -> None:
    for table in ("requests", "ads", "candidates"):
        for day in range(first, last + 1):
            (logs / table / f"date=2026-01-{day:02d}").mkdir(parents=True)


def test_scheduled_as_of_is_the_day_before_the_scheduled_start_however_late_the_run() -> None:
    assert scheduled_as_of(datetime(2026, 3, 1, 3, 15, tzinfo=UTC)) == date(2026, 2, 28)


def test_plan_lists_the_window_before_as_of_oldest_first(tmp_path: Path) -> None:
    _days(tmp_path, 1, 21)
    plan = plan_run(date(2026, 1, 21), "demo", window_days=20, logs=str(tmp_path))
    assert plan.days == tuple(date(2026, 1, day) for day in range(1, 21))
    assert plan.all_days[-1] == plan.as_of == date(2026, 1, 21)


@pytest.mark.parametrize("days", [19, 61])
def test_a_window_outside_20_to_60_days_is_refused(tmp_path: Path, days: int) -> None:
    with pytest.raises(ConfigError, match=rf"window_days \({days}\) must be between 20 and 60"):
        plan_run(date(2026, 1, 21), "demo", window_days=days, logs=str(tmp_path))


def test_missing_days_are_named(tmp_path: Path) -> None:
    _days(tmp_path, 3, 21)
    with pytest.raises(
        LogsError, match=r"lack 2 of the 21 days .* 2026-01-01, 2026-01-02; days there: 2026-01-03 to"
    ):
        plan_run(date(2026, 1, 21), "demo", window_days=20, logs=str(tmp_path))
