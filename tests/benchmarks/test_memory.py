import gc
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from benchmarks.memory import Case, linked_days, main, watched
from mtmd.config import load_preset
from mtmd.logs.files import available_days, day_files

TINY = "tiny"


def test_a_case_is_days_by_requests() -> None:
    assert Case.parse("20x3125") == (20, 3125)
    assert str(Case(20, 3125)) == "20x3125"


def test_the_other_days_are_the_first_ones_files(tmp_path: Path) -> None:
    linked_days(Case(3, 20), load_preset(TINY), tmp_path)
    days = available_days(tmp_path)
    assert list(days) == [date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 3)]
    first, *others = (day_files(tmp_path, "candidates", day) for day in days)
    assert all(one.samefile(other) for day in others for one, other in zip(first, day, strict=True))


def test_memory_that_is_held_counts_as_anonymous() -> None:
    """256 MiB, so that the few that the tests before may give back in between do not matter."""
    gc.collect()
    with watched() as nothing:
        pass
    with watched() as peak:
        held = np.ones(256 * 2**20, np.uint8)
    assert peak["anonymous"] - nothing["anonymous"] >= 240
    assert peak["all"] >= peak["anonymous"]
    del held


def test_the_table_has_a_row_per_case(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "table.md"
    assert main(["--preset", TINY, "--cases", "3x40", "--steps", "1", "--output", str(output)]) == 0
    text = output.read_text()
    assert text.strip() in capsys.readouterr().out
    row = [cell.strip() for cell in text.splitlines()[-1].strip("|").split("|")]
    days, candidates, *peaks = (int(cell.replace(",", "")) for cell in row[:-1])
    assert (days, candidates % 3, row[-1]) == (3, 0, "1.00")  # every day has the same rows
    for anonymous, mapped, both in (peaks[:3], peaks[3:]):
        assert 0 < anonymous < both <= anonymous + mapped + 50  # each kind peaks at its own moment
