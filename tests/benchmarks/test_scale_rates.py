"""The measurement behind docs/scale.md, on a day that was run already."""

from pathlib import Path

import pytest

from benchmarks.scale_rates import Measured, of_run, preset_text, table
from mtmd.config import load_preset
from tests.flows.runs import AS_OF
from tests.warmstart.conftest import Line, line, warm_line

__all__ = ["line", "warm_line"]


def test_a_day_is_measured_by_stage_and_row(line: Line) -> None:
    found = of_run(line.plan(AS_OF), 2)
    assert 0 < found.held_out < found.trained
    assert found.rows == found.trained + found.held_out
    assert found.log_bytes > 10 * found.rows
    assert found.shard_bytes > 10 * found.rows
    stages = {
        "validation and shards",
        "training, mtmd",
        "training, per_slice",
        "training, pooled",
        "evaluation",
    }
    assert stages <= set(found.seconds)


def test_rates_are_rows_of_the_stage_a_second() -> None:
    """Reading is of all days, training of the window, evaluation of the held-out day."""
    stages = ("training, mtmd", "training, per_slice", "training, pooled", "export and proofs")
    seconds = dict.fromkeys((*stages, "decision, ads and page"), 5.0)
    found = Measured(
        factor=4,
        trained=3_000,
        held_out=1_000,
        log_bytes=100_000,
        shard_bytes=200_000,
        seconds=seconds | {"validation and shards": 2.0, "evaluation": 0.5},
    )
    text = table([found]).markdown()
    assert "| what | 4 × |" in text
    for row in (
        "candidates trained on | 3,000",
        "logs, bytes a candidate | 25.0",
        "shards, bytes a candidate | 50.0",
        "validation and shards, rows/s | 2,000",
        "training, mtmd, rows/s | 600",
        "evaluation, rows/s | 2,000",
        "export and proofs, s | 5.0",
    ):
        assert f"| {row} |" in text


def test_a_presets_path_is_seen_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own.toml").write_text('base = "demo"\nname = "own"\n[training]\nbatch_requests = 77\n')
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "preset.toml").write_text(preset_text("own.toml", 2))
    assert load_preset("elsewhere/preset.toml").training.batch_requests == 77


def test_buckets_of_ids_grow_with_the_logs(tmp_path: Path) -> None:
    (tmp_path / "preset.toml").write_text(preset_text("demo", 4))
    preset, demo = load_preset(str(tmp_path / "preset.toml")), load_preset("demo")
    assert preset.training.epochs == 1
    for name in ("user_id", "ad_id"):
        buckets = [
            next(one.buckets for one in of.declarations.features if one.name == name) for of in (demo, preset)
        ]
        assert buckets[1] == 4 * buckets[0]
