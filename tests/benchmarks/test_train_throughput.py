from pathlib import Path

import pytest
import torch

from benchmarks import train_throughput
from benchmarks.train_throughput import Row, main, peak_flops, throughput_table
from mtmd.config import Preset
from mtmd.train.step import choose_precision
from tests.conftest import TINY

ROW = Row("MTMD", "float32", pairs_per_s=1200.0, outside=0.02, flop_per_pair=2e6, flops_peak=8e9, logmae=0.3)


def test_all_paths_train_on_the_same_batches(
    tiny_preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its status says whether it met its target, which at this size means nothing."""
    monkeypatch.setattr(train_throughput, "SQUARE", 512)  # products of 2048 rows would take most of the time
    output = tmp_path / "table.md"
    small = [
        "--days",
        "1",
        "--requests-per-day",
        "600",
        "--batch-requests",
        "512",
        "--rounds",
        "1",
        "--steps",
        "1",
    ]
    # raises unless they end with the same LogMAE
    assert main(["--preset", TINY, *small, "--output", str(output)]) in (0, 1)
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in output.read_text().splitlines()[4:]
    ]
    precisions = list(dict.fromkeys(("float32", choose_precision(tiny_preset.training))))
    assert [row[1] for row in rows] == ["float32", *precisions]
    assert all(float(row[2].replace(",", "")) > 0 for row in rows)
    assert all(0 <= float(row[7].rstrip("%")) < 100 for row in rows)
    assert float(rows[0][4]) > 2 * float(rows[1][4])  # a row per candidate, against distinct rows


def test_the_share_of_the_peak_is_operations_a_second_over_it() -> None:
    assert ROW.utilisation == pytest.approx(2e6 * 1200 / 8e9)
    assert peak_flops("float32", repeats=1) > 1e9


def test_the_ratio_is_to_the_first_row() -> None:
    table = throughput_table([ROW, ROW._replace(pairs_per_s=4200.0)], 256, 1000)
    assert [row[3] for row in table.rows] == ["1.0 ×", "3.5 ×"]
    assert f"{torch.get_num_threads()} thread" in table.title
