from datetime import timedelta
from pathlib import Path

import pytest
import torch

from benchmarks.per_slice import OneSlice, main, timing_table
from mtmd.config import Preset
from mtmd.model.build import build_model
from tests.conftest import FIRST_DAY, TINY
from tests.model.random_batches import random_batch


def test_a_slice_by_itself_computes_what_it_does_beside_the_others(tiny_preset: Preset) -> None:
    """With the same weights: domain 0's second task, whose networks are the second of its stacks."""
    batch = random_batch(tiny_preset.declarations)
    every = build_model("per_slice", tiny_preset).eval()
    one = OneSlice(tiny_preset, 0, 1).eval()
    weights = every.get_submodule("domains.0").state_dict()
    own = {
        name: value.chunk(len(every.columns[0]))[1]
        if value.shape != one.towers.state_dict()[name].shape
        else value
        for name, value in weights.items()
    }
    one.towers.load_state_dict(own)
    with torch.no_grad():
        log_p, teacher = one(batch)
        expected = every(batch)[batch.pair_domain == 0, 1]
    torch.testing.assert_close(log_p.squeeze(1), expected)
    assert len(teacher) == int((batch.pair_domain == 0).sum())


def test_the_ratio_is_alone_over_together() -> None:
    assert timing_table(0.1, 0.25, 1).rows == ((100, 250, "2.50 ×"),)


def test_it_times_both(tiny_logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--preset", TINY, "--logs", str(tiny_logs), "--as-of", str(FIRST_DAY + timedelta(days=3))]
    output = tmp_path / "table.md"
    arguments += ["--window-days", "3", "--artifacts", str(tmp_path), "--output", str(output)]
    assert main(arguments) == 0
    assert "one after another" in output.read_text()


def test_missing_logs_are_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--preset", TINY, "--logs", str(tmp_path), "--as-of", "2026-01-04", "--window-days", "3"]
    assert main([*arguments, "--artifacts", str(tmp_path)]) == 1
    assert "error:" in capsys.readouterr().out
