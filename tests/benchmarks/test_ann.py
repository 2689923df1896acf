from pathlib import Path

import pytest

from benchmarks.ann import main
from benchmarks.service_line import promote, register
from mtmd.config import load_preset
from mtmd.store.workspace import Workspace

pytest.importorskip("usearch", reason="usearch is not installed: the extra `ann`")

# As few domains and layers as there can be with features of the platform and a chain that a product lacks.
SMALLEST = """
name = "smallest"
logs = "unused"

[domains]
surfaces = ["search"]
products = ["standard", "shopping"]
tasks = [
  { name = "ctr", label = "clicked" },
  { name = "octr", label = "outbound_clicked", parent = "ctr", products = ["standard"] },
]

[[features]]
name = "country"
side = "query"
kind = "categorical"
buckets = 20
shallow = true

[[features]]
name = "user_vector"
side = "query"
kind = "embedding"
width = 16

[[features]]
name = "goal"
side = "item"
kind = "categorical"
buckets = 8
shallow = true

[[features]]
name = "ad_vector"
side = "item"
kind = "embedding"
width = 16

[model]
expert_widths = [8]
task_shared_expert = false
shallow_expert = false
routing = false
cross_layers = 0
emb_deep = 4

[training]
loss_weights = { ctr = 1.0, octr = 1.0 }
"""


def test_each_width_has_what_it_finds_beside_the_exact_search(tmp_path: Path) -> None:
    preset, output, artifacts = (
        tmp_path / "smallest.toml",
        tmp_path / "tables.md",
        str(tmp_path / "artifacts"),
    )
    preset.write_text(SMALLEST)
    line = Workspace.of(artifacts, load_preset(str(preset))).root
    promote(line, register(line, load_preset(str(preset)), 1, ads=20))
    small = ["--ads", "300", "--requests", "12", "--top", "5", "--widths", "5", "300"]
    given = ["--preset", str(preset), "--artifacts", artifacts, "--directory", str(tmp_path)]
    assert main([*given, *small, "--output", str(output)]) == 0
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in output.read_text().splitlines()
        if line.startswith(("| trained", "| random"))
    ]
    found, built = rows[:-2], rows[-2:]
    ranked = [("trained", "ctr"), ("trained", "octr"), ("trained", "bid × Σ P"), ("random", "ctr")]
    assert [tuple(row[:3]) for row in found] == [
        (*one, width) for one in ranked for width in ("exact", "5", "300")
    ]
    assert {tuple(row[3:5]) for row in found if row[2] != "5"} == {("1.000", "1.0000")}
    assert all(0 < float(cell) <= 1 for row in found if row[2] == "5" for cell in row[3:5])
    assert [row[:2] for row in built] == [["trained", "300"], ["random", "300"]]


def test_it_needs_a_champion(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="has no champion; `make run` makes one"):
        main(["--artifacts", str(tmp_path)])
