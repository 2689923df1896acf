"""Numbers of benchmarks, against ones that are computed by hand."""

import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks.ab_seeds import tables_over_seeds
from benchmarks.equal_cost import Trial, gain_table, logmae_at
from benchmarks.false_stops import FAULTS, judged, simulated, stopped
from mtmd.config import Preset
from mtmd.evaluate.report import Estimate
from mtmd.extras.abtest.changes import CELLS, METRICS, SUMS, Arm


def arms(clicks: float) -> list[Arm]:
    """Five equal samples of 100 impressions in every cell."""
    sums = np.full((len(CELLS), len(SUMS)), 100.0)
    sums[:, SUMS.index("clicks")] = clicks
    return [sums for _ in range(5)]


def test_seeds_are_pooled_and_their_range_is_shown() -> None:
    """Clicks 10 → 11 and 10 → 13: together 20 → 24."""
    served = [{"pooled": arms(10), "mtmd": arms(clicks)} for clicks in (11, 13)]
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


def test_each_fault_is_stopped_where_a_day_is_large_and_an_ordinary_day_is_not(
    tmp_path: Path, tiny_preset: Preset
) -> None:
    data = tiny_preset.data.model_copy(update={"trailing_days": 14})
    platform = simulated(tmp_path, tiny_preset.model_copy(update={"data": data}), 600, 3, days=1)
    assert judged(platform, 1)["stops"] == 0
    caught = stopped(platform, 1)
    faults = [fault.name for fault in FAULTS if not fault.name.startswith("all tasks")]
    assert {name: caught[name] for name in faults} == dict.fromkeys(faults, 1)
