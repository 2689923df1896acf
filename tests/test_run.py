import shutil
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from mtmd.config.preset_files import preset_path
from mtmd.errors import ConfigError, LogsError
from mtmd.run import plan_run
from tests.conftest import TINY


def _days(logs: Path, first: int, last: int, year: int = 2026) -> None:
    for table in ("requests", "ads", "candidates"):
        for day in range(first, last + 1):
            (logs / table / f"date={year}-01-{day:02d}").mkdir(parents=True)


def test_plan_lists_the_window_before_as_of_oldest_first(tmp_path: Path) -> None:
    _days(tmp_path, 1, 21)
    plan = plan_run(date(2026, 1, 21), "demo", window_days=20, logs=str(tmp_path))
    assert plan.days == tuple(date(2026, 1, day) for day in range(1, 21))
    assert plan.all_days[-1] == plan.as_of == date(2026, 1, 21)


@pytest.mark.parametrize(
    ("as_of", "days", "words"),
    [
        (date(1, 1, 1), 20, r"as_of \(0001-01-01\) has no 20 days before it in the calendar"),
        (date(2026, 1, 21), 19, r"window_days \(19\) must be between 20 and 60"),
        (date(2026, 1, 21), 61, r"window_days \(61\) must be between 20 and 60"),
    ],
)
def test_a_window_that_cannot_be_is_refused(tmp_path: Path, as_of: date, days: int, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        plan_run(as_of, "demo", window_days=days, logs=str(tmp_path))


def test_a_window_shorter_than_labels_take_is_refused(tmp_path: Path) -> None:
    (tmp_path / "late.toml").write_text("""
        base = "demo"
        name = "late"
        window_days = 28
        domains.tasks = [{ name = "ctr", label = "clicked", learn_from = "actions", maturity = 25 }]
    """)
    with pytest.raises(
        ConfigError, match=r"window_days \(20\) must be at least the maturity of \['ctr \(25\)'\]"
    ):
        plan_run(date(2026, 1, 21), str(tmp_path / "late.toml"), window_days=20, logs=str(tmp_path))


def test_logs_of_a_day_to_come_are_refused(tmp_path: Path) -> None:
    _days(tmp_path, 1, 21, 9999)
    with pytest.raises(
        LogsError, match=r"as_of 9999-01-21 is yet to come, though it has logs \(this machine's clock"
    ):
        plan_run(date(9999, 1, 21), "demo", window_days=20, logs=str(tmp_path))


def test_missing_days_are_named(tmp_path: Path) -> None:
    _days(tmp_path, 3, 21)
    with pytest.raises(
        LogsError, match=r"lack 2 of the 21 days .*: 2026-01-01, 2026-01-02; days there: 2026-01-03 to"
    ):
        plan_run(date(2026, 1, 21), "demo", window_days=20, logs=str(tmp_path))


def test_the_table_that_lacks_a_day_is_named_and_gaps_of_the_days_there(tmp_path: Path) -> None:
    _days(tmp_path, 1, 21)
    for table, day in (("candidates", 15), ("ads", 17), ("requests", 17)):
        shutil.rmtree(tmp_path / table / f"date=2026-01-{day}")
    with pytest.raises(LogsError) as caught:
        plan_run(date(2026, 1, 21), "demo", window_days=20, logs=str(tmp_path))
    assert ": 2026-01-15 (candidates), 2026-01-17 (requests, ads); " in str(caught.value)
    assert "days there: 2026-01-01 to 2026-01-14, 2026-01-16, 2026-01-18 to 2026-01-21; " in str(caught.value)
    for table in ("requests", "candidates"):
        shutil.rmtree(tmp_path / table / "date=2026-01-21")
    newer = r"2026-01-20; of 2026-01-21 there is no requests, no candidates; "
    with pytest.raises(LogsError, match=newer):
        plan_run(date(2026, 1, 20), "demo", window_days=20, logs=str(tmp_path))


def _preset(folder: Path, left_out: Mapping[str, str]) -> str:
    """The tests' preset, as a user would write days into it."""
    path = folder / "mine.toml"
    lines = "".join(f'{day} = "{why}"\n' for day, why in left_out.items())
    path.write_text(f"{preset_path(TINY).read_text()}\n[left_out]\n{lines}")
    return str(path)


def test_days_that_the_preset_leaves_out_are_in_no_window_and_need_not_be_there(tmp_path: Path) -> None:
    _days(tmp_path, 1, 7)
    _days(tmp_path, 9, 21)
    left_out = {"2026-01-01": "the first", "2026-01-08": "never delivered", "2025-12-31": "before it"}
    plan = plan_run(date(2026, 1, 21), _preset(tmp_path, left_out), logs=str(tmp_path))
    assert plan.days == tuple(date(2026, 1, day) for day in range(2, 21) if day != 8)
    assert plan.left_out == {date(2026, 1, 1): "the first", date(2026, 1, 8): "never delivered"}


def test_a_day_that_is_left_out_is_not_run(tmp_path: Path) -> None:
    _days(tmp_path, 1, 21)
    preset = _preset(tmp_path, {"2026-01-21": "half of it is lost"})
    with pytest.raises(
        ConfigError, match=r"as_of 2026-01-21 is left out by preset 'tiny' \(half of it is lost\)"
    ):
        plan_run(date(2026, 1, 21), preset, logs=str(tmp_path))


def test_a_window_keeps_three_quarters_of_its_days(tmp_path: Path) -> None:
    _days(tmp_path, 1, 21)
    days = [f"2026-01-{day:02d}" for day in range(1, 7)]
    plan = plan_run(date(2026, 1, 21), _preset(tmp_path, dict.fromkeys(days[:5], "lost")), logs=str(tmp_path))
    assert len(plan.days) == 15
    with pytest.raises(LogsError, match=r"6 of the 20 days before 2026-01-21 are left out by preset 'tiny'"):
        plan_run(date(2026, 1, 21), _preset(tmp_path, dict.fromkeys(days, "lost")), logs=str(tmp_path))
