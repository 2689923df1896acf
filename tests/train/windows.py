"""A training window of random batches: what `WindowData` offers, without logs or shards; and its preset."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from mtmd.config import Declarations, Preset, RivalConfig, load_preset
from mtmd.model.batch import Batch
from tests.model.random_batches import random_batch


class RandomWindow:
    """`batches` for training, shuffled by epoch, and one for validation; `rate` is the latter's mean score."""

    def __init__(self, declarations: Declarations, batches: int = 3, rate: float = 0.06) -> None:
        self.training = [random_batch(declarations, seed=seed) for seed in range(batches)]
        self.held_out = random_batch(declarations, seed=10_000)
        self._rates = torch.full((len(declarations.domains.domains), len(declarations.domains.tasks)), rate)
        self._rates[~torch.from_numpy(declarations.domains.task_mask)] = torch.nan

    def epoch(self, epoch: int, batch_requests: int) -> Iterator[Batch]:
        for index in np.random.default_rng(epoch).permutation(len(self.training)):
            yield self.training[index]

    def validation(self, batch_requests: int) -> Iterator[Batch]:
        yield self.held_out

    def steps(self, batch_requests: int) -> int:
        return len(self.training)

    def base_rates(self) -> Tensor:
        return self._rates


def assert_same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    different = [name for name, value in one.items() if not torch.equal(value, other[name])]
    assert not different


def pinned_preset() -> Preset:
    """The tiny preset with the training settings that these tests count on."""
    preset = load_preset("tiny")
    return with_training(preset, epochs=3, learning_rate=1e-3, precision="float32")


def with_scores(batch: Batch, score: float) -> Batch:
    return replace(batch, teacher=torch.where(batch.teacher.isnan(), torch.nan, score))


def with_training(preset: Preset, **changes: object) -> Preset:
    return preset.model_copy(update={"training": preset.training.model_copy(update=changes)})


def with_rival(preset: Preset, name: str, **changes: object) -> Preset:
    """The preset with other settings of a rival, or with a further one."""
    before = preset.rivals[name].model_dump() if name in preset.rivals else {}
    return preset.model_copy(
        update={"rivals": preset.rivals | {name: RivalConfig.model_validate(before | changes)}}
    )


def with_model(preset: Preset, architecture: str, **settings: object) -> Preset:
    return Preset.model_validate(preset.model_dump() | {"model": {"architecture": architecture} | settings})


def with_extra(preset: Preset, name: str, **changes: object) -> Preset:
    settings = getattr(preset.extras, name).model_copy(update=changes)
    return preset.model_copy(update={"extras": preset.extras.model_copy(update={name: settings})})
