from pathlib import Path

import pytest
import torch

from benchmarks.train_throughput import Row, compare, demo_shaped, peak_flops, throughput_table
from mtmd.config import Preset
from mtmd.training.precision import choose_precision
from mtmd.world import WorldConfig

ROW = Row("MTMD", "float32", pairs_per_s=1200.0, outside=0.02, flop_per_pair=2e6, flops_peak=8e9, logmae=0.3)


def test_all_paths_train_on_the_same_batches(tiny_preset: Preset, tmp_path: Path) -> None:
    data = demo_shaped(tiny_preset, WorldConfig.tiny(), 2, tmp_path)
    rows = compare(tiny_preset, data, rounds=1, steps=1)  # raises unless they end with the same LogMAE
    precisions = list(dict.fromkeys(("float32", choose_precision(tiny_preset.training))))
    assert [row.precision for row in rows] == ["float32", *precisions, precisions[-1]]
    assert all(row.pairs_per_s > 0 and 0 <= row.outside < 1 for row in rows)
    assert rows[0].flop_per_pair > 2 * rows[1].flop_per_pair  # a row per candidate, against distinct rows


def test_the_share_of_the_peak_is_operations_a_second_over_it() -> None:
    assert ROW.utilisation == pytest.approx(2e6 * 1200 / 8e9)
    assert peak_flops("float32", repeats=1) > 1e9


def test_the_ratio_is_to_the_first_row() -> None:
    table = throughput_table([ROW, ROW._replace(pairs_per_s=4200.0)], 256, 1000)
    assert [row[3] for row in table.rows] == ["1.0 ×", "3.5 ×"]
    assert f"{torch.get_num_threads()} thread" in table.title
