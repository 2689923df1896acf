from pathlib import Path

import pytest

from benchmarks.growth import GROWTH, Shape, growth_table, main, picture, random_batch, shaped
from mtmd.config import Preset

GROWN = {name: [0.1, 0.15, 0.3] for name in GROWTH}


def test_a_shape_is_what_it_says(tiny_preset: Preset) -> None:
    shape = Shape(requests=10, ads=6, candidates=3, surfaces=4, tasks=2, table_rows=2)
    preset = shaped(tiny_preset, shape)
    batch = random_batch(preset, shape)
    assert batch.query.counts == (3, 3, 2, 2)
    assert batch.item.counts == (6,)
    assert batch.teacher.shape == (30, 2)
    assert batch.pair_domain.bincount().tolist() == [9, 9, 6, 6]
    for before, after in zip(tiny_preset.features, preset.features, strict=True):
        assert after.buckets == (None if before.buckets is None else 2 * before.buckets)


def test_the_table_has_multiples_of_the_base() -> None:
    table = growth_table(GROWN)
    assert [row[1:] for row in table.rows] == [(100, "1.50", "3.00")] * len(GROWTH)


def test_the_picture_has_a_line_of_linear_growth_and_one_for_each() -> None:
    assert picture(GROWN).count("<polyline") == 1 + len(GROWTH)


def test_it_measures_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "growth.svg"
    arguments = ["--requests", "8", "--doublings", "1", "--steps", "1", "--picture", str(file)]
    assert main([*arguments, "--preset", "tiny"]) == 0
    assert "candidates" in capsys.readouterr().out
    assert file.read_text().startswith("<svg")
