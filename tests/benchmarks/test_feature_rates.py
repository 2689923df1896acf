"""Rates of models whose features differ, side by side."""

from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.feature_rates import compare, encoded, rates_table
from mtmd.config import Preset
from mtmd.extract.shards import open_shard
from mtmd.extract.stage import extract_day
from mtmd.extract.window import WindowData
from mtmd.logs.source import LogSource
from tests.conftest import FIRST_DAY


@pytest.fixture
def data(tiny_preset: Preset, tiny_logs: Path, tmp_path: Path) -> WindowData:
    days = [FIRST_DAY + timedelta(days=n) for n in range(2)]
    refs = [extract_day(LogSource(tiny_logs), day, tiny_preset.declarations, tmp_path) for day in days]
    return WindowData(
        [open_shard(Path(ref.path)) for ref in refs],
        tiny_preset.declarations,
        validation_fraction=0.1,
        seed=0,
    )


def test_every_variant_is_trained_and_timed(tiny_preset: Preset, data: WindowData) -> None:
    variants = {"plain": (tiny_preset, data), "bins": (encoded(tiny_preset, "bins"), data)}
    rates = compare("pooled", variants, rounds=1, steps=1)
    assert list(rates) == ["plain", "bins"]
    assert min(rates.values()) > 0


def test_only_numbers_are_encoded(tiny_preset: Preset) -> None:
    preset = encoded(tiny_preset, "piecewise")
    changed = [
        own for own, before in zip(preset.features, tiny_preset.features, strict=True) if own != before
    ]
    assert changed == [own for own in preset.features if own.kind == "continuous"]
    assert {own.encoding for own in changed} == {"piecewise"}


def test_shares_are_of_the_first_variant() -> None:
    table = rates_table(
        {"mtmd": {"as it is": 200.0, "histories": 150.0}, "pooled": {"as it is": 10.0, "histories": 8.0}}, 5
    )
    assert table.rows == (("as it is", 200, 1.0, 10, 1.0), ("histories", 150, 0.75, 8, 0.8))
