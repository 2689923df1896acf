"""Which days of logs there are."""

from datetime import date
from pathlib import Path

import pytest

from mtmd.errors import LogsError
from mtmd.logs.contract import TABLES
from mtmd.logs.files import available_days


def test_a_day_is_there_when_all_three_tables_have_it(tmp_path: Path) -> None:
    for table in TABLES:
        for name in ("date=2026-01-02", "date=2026-01-01", "date=today", "other"):
            (tmp_path / table / name).mkdir(parents=True)
    (tmp_path / "ads" / "date=2026-01-02").rmdir()
    assert available_days(tmp_path) == (date(2026, 1, 1),)


def test_a_directory_named_after_no_day_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "requests" / "date=2026-02-30").mkdir(parents=True)
    with pytest.raises(LogsError, match=r"requests/date=2026-02-30 is named after no day of the calendar"):
        available_days(tmp_path)
