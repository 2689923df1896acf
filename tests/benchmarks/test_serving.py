import re
from pathlib import Path

import pytest

from benchmarks.serving import alternating, main

# As few domains, tasks and layers as there can be: each exported operator takes time.
SMALLEST = """
name = "smallest"
logs = "unused"

[domains]
surfaces = ["home_feed", "search"]
products = ["standard"]
tasks = [{ name = "ctr", label = "clicked" }]

[[features]]
name = "country"
side = "query"
kind = "categorical"
buckets = 20
shallow = true

[[features]]
name = "activity"
side = "query"
kind = "continuous"
domains = ["search"]

[[features]]
name = "goal"
side = "item"
kind = "categorical"
buckets = 8
shallow = true

[model]
expert_widths = [8]
task_shared_expert = false
shallow_expert = false
routing = false
cross_layers = 0
emb_deep = 4

[training]
loss_weights = { ctr = 1.0 }
"""


def test_each_row_has_what_was_measured_beside_its_rival(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")  # else the benchmark starts itself anew with it
    preset, output = tmp_path / "smallest.toml", tmp_path / "table.md"
    preset.write_text(SMALLEST)
    small = ["--requests", "9", "--ads", "300", "--published", "500", "--rounds", "1", "--threads", "2"]
    # raises unless rivals compute the same
    assert main(["--preset", str(preset), *small, "--directory", str(tmp_path), "--output", str(output)]) == 0
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in output.read_text().splitlines()[4:]
    ]
    assert [row[0] for row in rows] == [
        "query tower, batch 1, p50",
        "query tower, batch 1, p99",
        "embedding 300 ads",
        "publishing 300 ads",
        "best 100 of 500 ads, 0.00 GB",
    ]
    assert [row[5] for row in rows] == ["≤ 0.5", "", "≥ 2", "≥ 2", "≥ 60%"]
    own, every, ratio = (float(re.search(r"[\d.]+", cell)[0]) for cell in rows[0][2:5])
    assert ratio == pytest.approx(own / every, rel=0.1)


def test_contenders_take_turns_after_a_warm_up() -> None:
    turns: list[str] = []
    medians = alternating([lambda: turns.append("a"), lambda: turns.append("b")], rounds=2)
    assert turns == ["a", "b"] * 3
    assert len(medians) == 2
