from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from mtmd.config import Preset, load_preset
from mtmd.errors import ConfigError
from mtmd.model.batch import Batch
from mtmd.model.build import ModelKind
from mtmd.train import stage
from mtmd.train.feed import ahead
from mtmd.train.trainer import fit
from tests.model.listed import listed_preset
from tests.train.explicit import ExplicitDevices
from tests.train.windows import RandomWindow, with_training

CPU = torch.device("cpu")


def every_switch(preset: Preset) -> Preset:
    """One epoch with all of the loss's terms, dropped values, and the level moved."""
    features = tuple(
        feature.model_copy(update={"dropout": 0.3})
        if feature.kind == "categorical" and feature.min_count is not None
        else feature
        for feature in preset.features
    )
    preset = Preset.model_validate(preset.model_copy(update={"features": features}).model_dump())
    return with_training(preset, epochs=1, score_power=0.5, level_days=1)


@pytest.mark.parametrize("kind", ["mtmd", "per_slice", "pooled"])
@pytest.mark.parametrize("statistics", ["window", "batch"])
def test_training_makes_no_tensor_without_saying_where(
    kind: ModelKind, statistics: str, tmp_path: Path
) -> None:
    listed = listed_preset()
    model = listed.model.model_copy(update={"statistics": statistics})
    preset = every_switch(listed.model_copy(update={"model": model}))
    data = RandomWindow(preset.declarations, batches=2)
    with ExplicitDevices() as devices:
        fit(kind, data, preset, tmp_path)
    assert devices.seen > 10
    assert devices.missing == set()


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("no_gpu")
def test_a_gpu_that_is_not_there_is_an_error_before_anything_is_read(
    tiny_preset: Preset, tmp_path: Path
) -> None:
    preset = with_training(tiny_preset, device="cuda")
    with pytest.raises(
        ConfigError, match=r'training.device \("cuda"\) needs a GPU .* set training.device = "auto"'
    ):
        stage.require_machine(preset)
    with pytest.raises(ConfigError, match="needs a GPU"):
        fit("mtmd", RandomWindow(preset.declarations), preset, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_training_has_its_name_from_the_device_only_where_that_is_a_gpu(
    tiny_preset: Preset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    auto, cpu = (
        stage.training_key("mtmd", "w", with_training(tiny_preset, device=d)) for d in ("auto", "cpu")
    )
    assert auto == cpu == stage.training_key("mtmd", "w", tiny_preset)
    anywhere = with_training(tiny_preset, device="auto")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert stage.training_key("mtmd", "w", anywhere) != auto
    assert stage.training_key("mtmd", "w", with_training(tiny_preset, device="cpu")) == auto


def test_every_tensor_of_a_batch_moves() -> None:
    preset = listed_preset()
    batch = next(RandomWindow(preset.declarations, 1).epoch(1, 1))
    moved: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        moved.append(tensor)
        return tensor.clone()

    copied = batch.map(note)
    assert len(moved) == 5 + 2 * 3 + sum(
        len(one.values) + 1 for side in (batch.query, batch.item) for one in side.lists
    )
    assert copied.item.counts == batch.item.counts
    assert torch.equal(copied.query.lists[0].ids, batch.query.lists[0].ids)
    assert batch.to(CPU).teacher is batch.teacher
    assert batch.map(lambda tensor: tensor.to("meta")).query.domain.device.type == "meta"


def numbered(count: int) -> list[Batch]:
    batch = next(RandomWindow(load_preset("tiny").declarations, 1).epoch(1, 1))
    return [replace(batch, candidate=torch.tensor([number])) for number in range(count)]


def number(batch: Batch) -> int:
    return int(batch.candidate)


def test_batches_made_ahead_keep_their_order() -> None:
    batches = numbered(7)
    prepared = list(ahead(batches, lambda batch: replace(batch, candidate=10 * batch.candidate)))
    assert list(map(number, prepared)) == [0, 10, 20, 30, 40, 50, 60]


def test_what_is_raised_ahead_is_raised_after_the_batches_before_it() -> None:
    def failing() -> Iterator[Batch]:
        yield from numbered(2)
        raise OSError("a shard is gone")

    seen: list[int] = []
    with pytest.raises(OSError, match="a shard is gone"):
        seen.extend(number(batch) for batch in ahead(failing(), lambda batch: batch))
    assert seen == [0, 1]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("kind", ["mtmd", "per_slice", "pooled"])
def test_a_gpu_learns_what_the_cpu_learns(kind: ModelKind, tiny_preset: Preset, tmp_path: Path) -> None:
    data = RandomWindow(tiny_preset.declarations)
    losses = []
    for device in ("cpu", "cuda", "cuda"):
        preset = with_training(tiny_preset, device=device)
        model, result = fit(kind, data, preset, tmp_path / str(len(losses)))
        assert next(model.parameters()).device == CPU
        losses.append([record.train_loss for record in result.epochs])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
    assert losses[1] == losses[2]  # a GPU repeats its own bits
