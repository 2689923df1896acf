"""Training on a device that is not the CPU, as far as it can be seen without one."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from mtmd.config import Preset
from mtmd.errors import ConfigError
from mtmd.model.ranker import RankingModel, build_model
from mtmd.train import stage, trainer
from mtmd.train.trainer import fit
from tests.model.listed import listed_preset
from tests.train.windows import RandomWindow, with_training

KINDS = ("mtmd", "per_slice", "pooled")


@pytest.mark.parametrize("kind", KINDS)
def test_training_makes_no_tensor_without_saying_where(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all of the loss's terms, and dropped values. Where nobody says, tensors have no numbers: the loss is none.

    Without a GPU it is the nearest thing to one. Models are made on the CPU on purpose, and so are batches.
    """

    def made_on_cpu(kind: str, preset: Preset) -> RankingModel:
        with torch.device("cpu"):
            return build_model(kind, preset)

    monkeypatch.setattr(trainer, "build_model", made_on_cpu)
    listed = listed_preset()
    features = [
        feature.model_dump()
        | ({"dropout": 0.3} if feature.kind == "categorical" and feature.min_count else {})
        for feature in listed.features
    ]
    preset = Preset.model_validate(listed.model_dump() | {"features": features})
    data = RandomWindow(preset.declarations, batches=2)
    with torch.device("meta"):
        model, result = fit(kind, data, with_training(preset, epochs=1, score_power=0.5), tmp_path)
    assert np.isfinite([result.epochs[0].train_loss, result.epochs[0].validation_loss]).all()
    assert {tensor.device.type for tensor in model.state_dict().values()} == {"cpu"}


def test_a_gpu_that_is_not_there_is_an_error_before_anything_is_read(
    tiny_preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    preset = with_training(tiny_preset, device="cuda")
    told = r'training.device \("cuda"\) needs a GPU .* set training.device = "auto"'
    with pytest.raises(ConfigError, match=told):
        stage.require_machine(preset)
    with pytest.raises(ConfigError, match=told):
        fit("mtmd", RandomWindow(preset.declarations), preset, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_training_has_its_name_from_the_device_only_where_that_is_a_gpu(
    tiny_preset: Preset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def key(device: str) -> str:
        return stage.training_key("mtmd", "w", with_training(tiny_preset, device=device))

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    on_cpu = key("cpu")
    assert key("auto") == on_cpu == stage.training_key("mtmd", "w", tiny_preset)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert key("auto") != on_cpu == key("cpu")


def test_every_tensor_of_a_batch_moves() -> None:
    batch = next(RandomWindow(listed_preset().declarations, 1).epoch(1, 1))
    moved: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        moved.append(tensor)
        return tensor.clone()

    copied = batch.map(note)
    assert len(moved) == 5 + 2 * 3 + 2 * sum(len(side.lists) for side in (batch.query, batch.item))
    assert copied.item.counts == batch.item.counts
    assert torch.equal(copied.query.lists[0].ids, batch.query.lists[0].ids)
    assert batch.to(torch.device("cpu")).teacher is batch.teacher
    assert batch.map(lambda tensor: tensor.to("meta")).query.domain.device.type == "meta"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_learns_what_the_cpu_learns(kind: str, tiny_preset: Preset, tmp_path: Path) -> None:
    data = RandomWindow(tiny_preset.declarations)
    losses = []
    for device in ("cpu", "cuda", "cuda"):
        preset = with_training(tiny_preset, device=device)
        model, result = fit(kind, data, preset, tmp_path / str(len(losses)))
        assert next(model.parameters()).device.type == "cpu"
        losses.append([record.train_loss for record in result.epochs])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
    assert losses[1] == losses[2]  # a GPU repeats its own bits
