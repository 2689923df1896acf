from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.rates import main, rates_table
from mtmd.config import Preset
from tests.conftest import FIRST_DAY, TINY


def test_a_rate_is_of_the_presets_own_batch(tiny_preset: Preset) -> None:
    table = rates_table(tiny_preset, {"mtmd": 10.4, "per_slice": 4.0})
    assert table.rows == (("mtmd", 10), ("per_slice", 4))
    assert f"{tiny_preset.training.batch_requests} requests a batch" in table.title


def test_it_times_every_model(tiny_logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--preset", TINY, "--logs", str(tiny_logs), "--as-of", str(FIRST_DAY + timedelta(days=3))]
    output = tmp_path / "table.md"
    assert (
        main([*arguments, "--window-days", "3", "--artifacts", str(tmp_path), "--output", str(output)]) == 0
    )
    assert all(f"| {kind} |" in output.read_text() for kind in ("mtmd", "per_slice", "pooled"))


def test_missing_logs_are_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--preset", TINY, "--logs", str(tmp_path), "--as-of", "2026-01-04", "--window-days", "3"]
    assert main([*arguments, "--artifacts", str(tmp_path)]) == 1
    assert "error:" in capsys.readouterr().out
