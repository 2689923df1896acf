from pathlib import Path

import pytest

from benchmarks.train_throughput import Row, compare, demo_shaped
from mtmd.config import Preset
from mtmd.training.precision import choose_precision
from mtmd.world import WorldConfig


def test_both_paths_train_on_the_same_batches(tiny_preset: Preset, tmp_path: Path) -> None:
    data = demo_shaped(tiny_preset, WorldConfig.tiny(), 2, tmp_path)
    rows = compare(tiny_preset, data, rounds=1, steps=1)  # raises unless their losses agree
    assert [row.precision for row in rows] == list(
        dict.fromkeys(("float32", choose_precision(tiny_preset.training)))
    )
    assert all(row.fast > 0 and row.plain > 0 for row in rows)


def test_the_ratio_is_fast_over_plain() -> None:
    assert Row("float32", fast=1200.0, plain=300.0).ratio == pytest.approx(4.0)
