from pathlib import Path

import torch

from benchmarks.train_throughput import Row, main, throughput_table
from mtmd.config import Preset
from mtmd.train.step import choose_precision
from tests.conftest import TINY

ROW = Row("MTMD", "float32", pairs_per_s=1200.0, logmae=0.3)


def test_all_paths_train_on_the_same_batches(tiny_preset: Preset, tmp_path: Path) -> None:
    """Its status says whether it met its target, which at this size means nothing."""
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


def test_the_ratio_is_to_the_first_row() -> None:
    table = throughput_table([ROW, ROW._replace(pairs_per_s=4200.0)], 256, 1000)
    assert [row[3] for row in table.rows] == ["1.0 ×", "3.5 ×"]
    assert f"{torch.get_num_threads()} thread" in table.title
