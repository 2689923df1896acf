from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.levels import main
from tests.conftest import FIRST_DAY, TINY


def test_the_table_has_every_slice_before_and_after(
    tiny_logs: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--preset", TINY, "--logs", str(tiny_logs), "--as-of", str(FIRST_DAY + timedelta(days=3))]
    output = tmp_path / "table.md"
    arguments += ["--window-days", "3", "--artifacts", str(trained), "--output", str(output)]
    assert main([*arguments, "--seeds", "0", "0"]) == 0
    rows = [
        line.strip("| ").split(" | ") for line in output.read_text().splitlines() if line.startswith("| ")
    ]
    assert len(rows) == 2 + 15 + 3 + 3
    gctr = next(row for row in rows if row[:3] == ["all", "all", "gctr"])
    own, per_slice, _, gain = gctr[3:7]
    assert 100 * (1 - float(own) / float(per_slice)) == pytest.approx(float(gain.strip("%")), abs=0.3)
    assert gctr[3:8] != gctr[8:]
    assert "at the level of the newest training day; 1 seeds" in capsys.readouterr().out


def test_missing_logs_are_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--preset", TINY, "--logs", str(tmp_path), "--as-of", "2026-01-04", "--window-days", "3"]
    assert main([*arguments, "--artifacts", str(tmp_path)]) == 1
    assert "error:" in capsys.readouterr().out
