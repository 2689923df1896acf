import re
from pathlib import Path

import pytest
import torch

from benchmarks.devices import Case, Exchange, Trial, exchange_table, main, rates_table
from tests.conftest import TINY

SMALL = [
    "--preset",
    TINY,
    "--days",
    "1",
    "--requests-per-day",
    "400",
    "--batch-requests",
    "128",
    "--rounds",
    "1",
]


def test_one_rank_and_two_learn_the_same(tmp_path: Path) -> None:
    """Raises unless they do."""
    output = tmp_path / "tables.md"
    assert main([*SMALL, "--cases", "cpu:1x1", "cpu:2x1", "--output", str(output)]) == 0
    text = output.read_text()
    assert "cpu, 1 rank(s) × 1 thread(s)" in text
    assert "What a rank does of a batch, and sends" in text


def test_a_device_that_is_not_there_is_an_error_before_anything_is_simulated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main([*SMALL, "--cases", "cuda:1x1"]) == 1
    assert re.match("error: .*needs a GPU", capsys.readouterr().out)
    with pytest.raises(ValueError, match="'tpu:1x1' has device 'tpu'"):
        main([*SMALL, "--cases", "tpu:1x1"])


def test_rates_are_medians_and_ratios_to_the_first_case() -> None:
    cases = [Case("cpu", 1, 2), Case.of("cpu:2x1")]
    trials = [[Trial(rate, 1.0, 0.1) for rate in rates] for rates in ((90.0, 100.0, 500.0), (150.0,))]
    rows = rates_table(cases, trials, "").rows
    assert [row[1:3] for row in rows] == [(100, "1.00 ×"), (150, "1.50 ×")]
    assert exchange_table(cases[1:], [Exchange(0.9, 0.75, 1.0, 0.25, 30.0)]).rows[0][1:] == (
        "90%",
        "75%",
        "1.00 MB",
        "0.25 MB",
        "30.00 MB",
    )
