from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.data_sizes import _parser, main, measured
from mtmd.config import load_preset
from mtmd.sources.simulated.config import WorldConfig
from tests.conftest import FIRST_DAY, TINY


def test_every_combination_has_a_row_with_its_own_rows(
    tiny_logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    as_of = FIRST_DAY + timedelta(days=3)
    output, drawn = tmp_path / "table.md", tmp_path / "lead.svg"
    arguments = [TINY, "--logs", str(tiny_logs), "--as-of", str(as_of), "--window-days", "2", "3"]
    arguments += ["--epochs", "1", "--artifacts", str(tmp_path), "--output", str(output)]
    assert main([*arguments, "--picture", str(drawn)]) == 0
    lines = [line for line in output.read_text().splitlines() if line.startswith("| tiny")]
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines]
    assert [row[1:5] for row in rows] == [[str(as_of), days, "1", "0"] for days in ("2", "3")]
    two, three = (int(row[5].replace(",", "")) for row in rows)
    assert two < three <= 2 * two
    mtmd, per_slice, pooled = (float(cell) for cell in rows[1][6:9])
    assert min(mtmd, per_slice, pooled) > 0.1
    assert float(rows[1][10].rstrip("%")) == pytest.approx(100 * (1 - mtmd / pooled), abs=2.0)
    assert drawn.read_text().count("<circle") == 4
    assert "2 days, epochs 1" in capsys.readouterr().out
    again = list(measured(_parser().parse_args(arguments)))
    assert [point.seconds for point in again] == [None, None]  # to evaluate them takes time, too


def test_missing_logs_are_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [TINY, "--logs", str(tmp_path), "--as-of", "2026-01-04", "--window-days", "3"]
    assert main([*arguments, "--artifacts", str(tmp_path)]) == 1
    assert "error:" in capsys.readouterr().out


def test_the_three_sizes_have_the_same_model_and_rates_and_the_preset_scale_its_own() -> None:
    paper, largest = (load_preset(f"benchmarks/{name}.toml") for name in ("scale-paper-widths", "thirty-two"))
    demo, scale = load_preset("demo"), load_preset("scale")
    assert paper.model == largest.model == demo.model
    assert paper.rivals == largest.rivals == demo.rivals
    rates = ("learning_rate", "embedding_rate")
    at = {name: getattr(demo.training, name) for name in rates}
    assert all(one.training == one.training.model_copy(update=at) for one in (paper, largest))
    assert scale.model.expert_widths == (256, 128, 64)
    own = {name: getattr(scale.training, name) for name in rates}
    assert scale == paper.model_copy(
        update={
            "name": scale.name,
            "model": scale.model,
            "rivals": scale.rivals,
            "training": paper.training.model_copy(update=own),
        }
    )


def test_the_largest_size_is_32_times_the_demos_users_and_requests_and_16_times_its_ads() -> None:
    largest, world = load_preset("benchmarks/thirty-two.toml"), WorldConfig()
    grown = (("users", "user_id", 32), ("ads", "ad_id", 16))
    assert largest.simulation.requests_per_day == 32 * world.requests_per_day
    rows = [{one.name: one.buckets for one in preset.features} for preset in (load_preset("demo"), largest)]
    assert {name for name in rows[0] if rows[0][name] != rows[1][name]} == {ids for _, ids, _ in grown}
    for size, ids, factor in grown:
        assert getattr(largest.simulation, size) == factor * getattr(world, size)
        assert rows[1][ids] == factor * (rows[0][ids] or 0)
