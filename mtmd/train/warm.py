"""A training that goes on from an earlier one: from its weights and its optimizer's moments, over the newest days.

A model is made anew on the whole window, as for a full retrain: that gives the statistics of norms and the counts of
values. Then it takes the earlier model's weights (`mtmd.train.carry`). Gains, shifts and weights were learned on values
that an earlier window standardised, and are kept as they are: a value means how unusual it is in its window.

Moments are those of the training's end. Which training a day goes on from is decided by `mtmd.warmstart`.
"""

import logging
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from mtmd.config import Declarations, Frozen, Preset
from mtmd.errors import TrainingError
from mtmd.model.batch import Batch
from mtmd.train.carry import carry
from mtmd.train.checkpoints import save_tensors
from mtmd.train.results import TrainingData
from mtmd.train.step import Precision

MOMENTS, RESUMABLE = "moments.safetensors", "resumable.json"
_SLOTS, _STEP = ("exp_avg", "exp_avg_sq"), "step"
_log = logging.getLogger(__name__)


class WarmStart(Frozen):
    """What a training goes on from, and how."""

    model_id: str = Field(description="the registered model")
    as_of: date
    training: str = Field(description="key of its training")
    full_model_id: str = Field(description="the last fully retrained model that it descends from, or itself")
    full_as_of: date
    days: int = Field(ge=1, description="newest days of the window that are trained on")
    epochs: int = Field(ge=1)
    rate: float = Field(description="peak of the learning rate, as a share of a full retrain's")

    def of(self, preset: Preset) -> Preset:
        """The preset with the passes and the rate of this training."""
        training = preset.training
        changes = {"epochs": self.epochs, "learning_rate": training.learning_rate * self.rate}
        return preset.model_copy(update={"training": training.model_copy(update=changes)})

    def key(self) -> dict[str, Any]:
        """What of it decides the weights."""
        return self.model_dump(mode="json", include={"training", "days", "epochs", "rate"})


class Resumable(Frozen):
    """What a training was made with, for one that wants to go on from it: `resumable.json` beside its moments."""

    format: int
    precision: Precision
    declarations: Declarations
    model: dict[str, Any]
    training: dict[str, Any]


class NewestDays:
    """The batches of the newest days, for training; all else, epoch 0 too, is the whole window's."""

    def __init__(self, newest: TrainingData, whole: TrainingData) -> None:
        self._newest, self._whole = newest, whole

    def epoch(self, epoch: int, batch_requests: int) -> Iterator[Batch]:
        """Epoch 0 is what statistics are taken from."""
        return (self._newest if epoch else self._whole).epoch(epoch, batch_requests)

    def validation(self, batch_requests: int) -> Iterator[Batch]:
        return self._whole.validation(batch_requests)

    def newest(self, days: int, batch_requests: int) -> Iterator[Batch]:
        return self._whole.newest(days, batch_requests)

    def steps(self, batch_requests: int) -> int:
        return self._newest.steps(batch_requests)

    def base_rates(self) -> Tensor:
        return self._whole.base_rates()


def save_moments(model: nn.Module, optimizer: torch.optim.Optimizer, path: Path) -> None:
    """Write the optimizer's state by the names of the parameters."""
    tensors = {
        f"{slot}/{name}": value.detach().cpu().contiguous()
        for name, parameter in model.named_parameters()
        for slot, value in optimizer.state[parameter].items()
    }
    save_tensors(tensors, path)


def go_on(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    weights: Path,
    earlier: Declarations,
    present: Declarations,
) -> None:
    """Give a new model, which has its window's statistics, the weights and moments beside `weights`.

    Raises TrainingError when the files can't be read.
    """
    try:
        stored, moments = load_file(weights), load_file(weights.with_name(MOMENTS))
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"the training in {weights.parent} can't be gone on from: {error}. Run again for a full retrain"
        ) from error
    anew = carry(stored, earlier, model.state_dict(), present)
    if anew:
        _log.info("initialised as in a new model, in whole or in part: %s", ", ".join(anew))
    parameters = dict(model.named_parameters())
    for slot in (*_SLOTS, _STEP):
        own = {  # a count of steps as large as its parameter, so that it goes by feature as well
            name: value.expand(stored[name].shape)
            for key, value in moments.items()
            for of, _, name in [key.partition("/")]
            if of == slot
        }
        carried = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
        carry(own, earlier, carried, present)
        for name, value in carried.items():
            optimizer.state[parameters[name]][slot] = _count(value) if slot == _STEP else value


def _count(steps: Tensor) -> Tensor:
    """Of all that a parameter has, the largest count; 0 of an empty one."""
    return steps.amax() if steps.numel() else steps.new_zeros(())
