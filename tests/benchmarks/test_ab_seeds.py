from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from benchmarks.ab_seeds import TREATMENT, main, tables_over_seeds
from mtmd.evaluate.report import Estimate
from mtmd.extras.abtest.changes import CELLS, METRICS, SUMS, Arm
from tests.benchmarks.cells import cells
from tests.conftest import FIRST_DAY, TINY


def arms(clicks: float) -> list[Arm]:
    """Five equal samples of 100 impressions in every cell."""
    sums = np.full((len(CELLS), len(SUMS)), 100.0)
    sums[:, SUMS.index("clicks")] = clicks
    return [sums for _ in range(5)]


def test_seeds_are_pooled_and_their_range_is_shown() -> None:
    """Clicks 10 → 11 and 10 → 13: together 20 → 24."""
    served = [{"pooled": arms(10), TREATMENT: arms(clicks)} for clicks in (11, 13)]
    traffic, seeds = tables_over_seeds(served, "pooled")
    ctr = 1 + list(METRICS).index("CTR")
    assert len(traffic.rows) == len(seeds.rows) == len(CELLS)
    for row, other in zip(traffic.rows, seeds.rows, strict=True):
        assert row[0] == other[0]
        assert isinstance(row[ctr], Estimate)
        assert row[ctr].value == pytest.approx(0.2)
        assert row[ctr].low == pytest.approx(0.2)  # the samples are equal
        assert isinstance(other[ctr], Estimate)
        assert (other[ctr].low, other[ctr].high) == pytest.approx((0.1, 0.3))


def test_models_of_each_seed_serve_the_same_people(
    tiny_logs: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--preset", TINY, "--logs", str(tiny_logs), "--as-of", str(FIRST_DAY + timedelta(days=3))]
    arguments += ["--window-days", "2", "--artifacts", str(trained), "--output", str(tmp_path / "tables.md")]
    assert (
        main([*arguments, "--requests", "60", "--samples", "5", "--seeds", "0", "1", "--keep", "16", "4"])
        == 0
    )
    text = (tmp_path / "tables.md").read_text()
    assert text.strip() in capsys.readouterr().out
    text = text.replace("−", "-")
    rows = [cells(line) for line in text.splitlines() if line.startswith("| all ")]
    values = [[cell.split("% [")[0] for cell in row] for row in rows]
    assert values[0] == values[1]  # the same means, with two kinds of brackets
    assert values[2] == values[3] != values[0]  # against pooled
    low, high = (float(end.strip("%] ")) for end in rows[1][2].split("[")[1].split(","))
    assert low < high  # two trainings
    by_keep = [cells(line) for line in text[text.index("by ads handed on") :].splitlines()[4:]]
    assert [row[:2] for row in by_keep] == [
        [keep, kind] for keep in ("16", "4") for kind in ("per_slice", "pooled")
    ]
    assert [row[2:] for row in by_keep[:2]] == [rows[0][1:], rows[2][1:]]
    assert by_keep[2][2:] != by_keep[0][2:]
    assert main([*arguments, "--keep", "3"]) == 1
    assert "--keep 3 is below the 4 ads" in capsys.readouterr().out
