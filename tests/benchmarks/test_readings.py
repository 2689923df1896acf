"""The parts that a reading holds still are still, and nothing else is."""

from pathlib import Path

import pytest
import torch

from benchmarks.readings import READINGS, changed_by, main
from mtmd.config import Preset
from mtmd.model.build import build_model
from mtmd.model.two_tower import MTMD
from mtmd.train import trainer
from tests.mtmd_flows.runs import AS_OF, TINY


def _built(preset: Preset, reading: str) -> MTMD:
    with changed_by(READINGS[reading]):
        model = trainer.build_model("mtmd", preset)
    assert trainer.build_model is build_model
    assert isinstance(model, MTMD)
    model.initialise_bias(torch.full((6, 3), 0.1))
    return model


def _still(model: MTMD) -> set[str]:
    return {name.rsplit(".", 2)[-2] for name, one in model.named_parameters() if not one.requires_grad}


def test_each_reading_holds_its_part_still(tiny_preset: Preset) -> None:
    still = {name: _still(_built(tiny_preset, name)) for name in READINGS}
    assert still == {
        "as it is": set(),
        "SE gates equal": {"squeeze", "excite"},
        "no bias": {"query"},
        "bias fixed at the base rate": {"query"},
    }


def test_a_bias_is_zero_where_there_is_none(tiny_preset: Preset) -> None:
    assert not _built(tiny_preset, "no bias").query.bias.any()
    assert _built(tiny_preset, "bias fixed at the base rate").query.bias.any()


def test_the_table_has_every_reading(
    tiny_logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = ["--logs", str(tiny_logs), "--artifacts", str(tmp_path), "--window-days", "2"]
    assert main(["--preset", TINY, "--as-of", str(AS_OF), *places]) == 0
    said = capsys.readouterr().out
    assert all(f"| {name} | 0 |" in said for name in READINGS)
