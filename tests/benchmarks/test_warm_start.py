from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.runs import extracted
from benchmarks.warm_start import _costs, _parser, _plan, _trained, main
from mtmd.extract.window import window_fingerprint
from mtmd.train.stage import training_key
from tests.conftest import FIRST_DAY, TINY


def test_days_are_retrained_both_ways_and_one_that_is_stopped_goes_on(
    tiny_logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    as_of, output = FIRST_DAY + timedelta(days=6), tmp_path / "table.md"
    arguments = ["--preset", TINY, "--logs", str(tiny_logs), "--as-of", str(as_of), "--window-days", "6"]
    arguments += ["--artifacts", str(tmp_path), "--output", str(output), "--days", "2", "--full-on", "2"]
    arguments += ["--warm-days", "2", "--warm-epochs", "1", "--warm-rate", "0.5"]
    assert main(arguments) == 0
    rows = [
        line.strip("| ").split(" | ") for line in output.read_text().splitlines() if line.startswith("| 2026")
    ]
    assert [row[0] for row in rows] == [str(as_of + timedelta(days=n)) for n in (1, 2)]
    assert [row[1] == "–" for row in rows] == [True, False]  # the first is not retrained in full
    assert float(rows[1][1]) != float(rows[1][2])
    assert "warm: 2 days, 1 passes, rate 0.5" in output.read_text()
    first = output.read_text()
    assert main([*arguments, "--judge", "validation"]) == 0
    assert "validation requests of 4 days" in output.read_text()
    assert main(arguments) == 0
    assert output.read_text() == first  # seconds too: nothing was trained again
    assert "mean of 1" in capsys.readouterr().out


def test_a_training_that_was_stopped_and_went_on_has_no_seconds(tiny_logs: Path, tmp_path: Path) -> None:
    arguments = ["--preset", TINY, "--logs", str(tiny_logs), "--as-of", str(FIRST_DAY + timedelta(days=3))]
    plan = _plan(_parser().parse_args([*arguments, "--window-days", "2", "--artifacts", str(tmp_path)]))
    window = extracted(plan, plan.days)
    key = training_key("mtmd", window_fingerprint(window), plan.preset)
    plan.workspace.work("mtmd", key).mkdir(parents=True)  # what the stopped process has left
    assert _trained(plan, window, None).key == key
    assert _costs(plan).seconds == {}
