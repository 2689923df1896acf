from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from benchmarks.levels import PRIOR_ROWS, level_offsets, main
from mtmd.evaluation import HeldOutDay
from tests.conftest import FIRST_DAY, TINY


def test_an_offset_is_the_mean_log_error_of_a_domain_drawn_to_nothing() -> None:
    """Two domains with 50 and 1 rows; the second task is not in domain 1."""
    rows = 51
    domain = np.array([0] * 50 + [1])
    teacher = np.full((rows, 2), 0.2, dtype=np.float32)
    teacher[50, 1] = np.nan
    day = HeldOutDay(
        teacher=teacher,
        labels=np.zeros((rows, 2), dtype=np.int8),
        impressed=np.ones(rows, dtype=np.bool_),
        domain=domain,
        request=np.arange(rows),
    )
    scores = np.log(np.full((rows, 2), [0.1, 0.4], dtype=np.float32))
    half = 50 / (50 + PRIOR_ROWS)
    expected = [[half * np.log(2.0), -half * np.log(2.0)], [np.log(2.0) / (1 + PRIOR_ROWS), 0.0]]
    assert level_offsets(scores, day) == pytest.approx(np.array(expected), abs=1e-6)


def test_the_table_has_every_slice_before_and_after(
    tiny_logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--preset", TINY, "--logs", str(tiny_logs), "--as-of", str(FIRST_DAY + timedelta(days=3))]
    output = tmp_path / "table.md"
    arguments += ["--window-days", "3", "--artifacts", str(tmp_path), "--output", str(output)]
    assert main(arguments) == 0
    rows = [
        line.strip("| ").split(" | ") for line in output.read_text().splitlines() if line.startswith("| ")
    ]
    assert len(rows) == 2 + 15 + 3 + 3
    gctr = next(row for row in rows if row[:3] == ["all", "all", "gctr"])
    own, per_slice, _, gain = gctr[3:7]
    assert 100 * (1 - float(own) / float(per_slice)) == pytest.approx(float(gain.strip("%")), abs=0.3)
    assert gctr[3:8] != gctr[8:]
    assert "at the level of the newest training day" in capsys.readouterr().out


def test_missing_logs_are_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--preset", TINY, "--logs", str(tmp_path), "--as-of", "2026-01-04", "--window-days", "3"]
    assert main([*arguments, "--artifacts", str(tmp_path)]) == 1
    assert "error:" in capsys.readouterr().out
