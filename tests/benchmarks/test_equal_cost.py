import math
from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.equal_cost import Trial, gain_table, logmae_at, main
from tests.benchmarks.cells import cells
from tests.conftest import FIRST_DAY, TINY


def test_every_model_is_trained_for_every_number_of_epochs(tiny_logs: Path, tmp_path: Path) -> None:
    as_of = FIRST_DAY + timedelta(days=3)
    output = tmp_path / "table.md"
    arguments = ["--preset", TINY, "--logs", str(tiny_logs), "--as-of", str(as_of), "--window-days", "3"]
    arguments += ["--epochs", "2", "1", "--artifacts", str(tmp_path), "--output", str(output)]
    arguments += ["--variants", "no_dcn"]
    assert main([*arguments, "--more", "pooled=3"]) == 0
    rows = [cells(line) for line in output.read_text().splitlines() if line[:1] == "|"]
    found = {(row[0], row[1]): row[2:] for row in rows if len(row) == 7 and row[1] in ("1", "2", "3")}
    assert {
        ("mtmd", "1"),
        ("mtmd", "2"),
        ("pooled", "1"),
        ("per_slice", "2"),
        ("pooled", "3"),
        ("no_dcn", "2"),
    } <= found.keys()
    assert found["no_dcn", "2"][1:] != found["mtmd", "2"][1:]
    assert ("mtmd", "3") not in found
    for _, *errors, mean in found.values():
        assert float(mean) == pytest.approx(sum(map(float, errors)) / 3, abs=2e-4)


def test_a_rival_is_read_between_its_trainings_and_nowhere_before_the_first() -> None:
    line = [(100.0, 0.4), (10.0, 0.6)]
    assert logmae_at(line, math.sqrt(1000.0)) == pytest.approx(0.5)
    assert (logmae_at(line, 500.0), logmae_at(line, 9.0)) == (0.4, None)


def test_gains_are_at_the_seconds_of_mtmds_and_its_variants_trainings() -> None:
    trials = [
        Trial("mtmd", 1, 5.0, (0.5,)),
        Trial("mtmd", 2, 100.0, (0.3,)),
        Trial("no_dcn", 2, 20.0, (0.36,)),
        Trial("pooled", 2, 10.0, (0.4,)),
    ]
    assert gain_table(trials).rows == (
        ("mtmd", 5, 0.5, "–"),
        ("mtmd", 100, 0.3, "≤ +25.0%"),  # the rival was given a tenth of the time
        ("no_dcn", 20, 0.36, "≤ +10.0%"),
    )
    longer = gain_table([*trials, Trial("pooled", 9, 100.0, (0.36,))])
    assert [row[-1] for row in longer.rows] == ["–", "+16.7%", "+7.2%"]
