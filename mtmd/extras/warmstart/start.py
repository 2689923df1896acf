"""A training that goes on from an earlier one: from its weights and its optimizer's moments, over the newest days.

A model is made anew on the whole window, as for a full retrain: that gives the statistics of norms and the counts of
values. Then it takes the earlier model's parameters. Gains, shifts and weights were learned on values that an earlier
window standardised, and are kept as they are: a value means how unusual it is in its window.

Moments are those of the training's end. Which training a day goes on from is decided in `choice`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from mtmd.config import Preset
from mtmd.errors import TrainingError
from mtmd.extract.window import Share
from mtmd.extras.warmstart.choice import choose
from mtmd.extras.warmstart.settings import Settings
from mtmd.model.batch import Batch
from mtmd.model.ranker import RankingModel
from mtmd.store.files import digest
from mtmd.train.checkpoints import WEIGHTS, save_tensors
from mtmd.train.optimizer import RowAdamW
from mtmd.train.results import MOMENTS, Start, TrainingData
from mtmd.train.stage import TrainingJob, window_data
from mtmd.train.trainer import Opening

__all__ = ["choose", "material"]  # the seam


def material(job: TrainingJob, share: Share) -> tuple[Preset, TrainingData, Opening] | None:
    """The settings, batches and opening of MTMD's training; None where the preset retrains every day in full."""
    plan, start = job.plan, job.start
    if not plan.preset.extra(Settings).on:
        return None
    whole, directory = window_data(plan, job.window, share), Path(job.directory)
    if start is None:
        return plan.preset, whole, Kept(directory)
    newest = sorted(job.window, key=lambda ref: ref.day)[-start.days :]
    data = NewestDays(window_data(plan, newest, share, training_only=True), whole)
    opening = GoneOn(directory, start, plan.workspace.trained("mtmd", start.training))
    return shorter(plan.preset, start), data, opening


def shorter(preset: Preset, start: Start) -> Preset:
    """The preset with the passes and the rate of a training that goes on."""
    training = preset.training
    changes = {"epochs": start.epochs, "learning_rate": training.learning_rate * start.rate}
    return preset.model_copy(update={"training": training.model_copy(update=changes)})


@dataclass(frozen=True)
class Kept(Opening):
    """A new model, whose training keeps the optimizer's state in its directory, for one that goes on from it."""

    directory: Path

    def end(self, model: RankingModel, optimizer: RowAdamW) -> None:
        """Write the optimizer's state by the names of the parameters."""
        tensors = {
            f"{slot}/{name}": value
            for name, parameter in model.named_parameters()
            for slot, value in optimizer.state[parameter].items()
        }
        save_tensors(tensors, self.directory / MOMENTS)


@dataclass(frozen=True)
class GoneOn(Kept):
    """A model that takes the weights and moments of an earlier training, made by the same recipe."""

    start: Start
    earlier: Path

    @property
    def name(self) -> str:  # type: ignore[override]
        """By what of the start decides the weights."""
        return digest(self.start.key())

    @torch.no_grad()
    def begin(self, model: RankingModel, optimizer: RowAdamW) -> None:
        """Buffers stay: they are what the window says of itself. Raises TrainingError when the files can't be read."""
        try:
            weights, moments = load_file(self.earlier / WEIGHTS), load_file(self.earlier / MOMENTS)
            for name, parameter in model.named_parameters():
                parameter.copy_(weights[name])
        except (OSError, SafetensorError, KeyError, RuntimeError) as error:
            raise TrainingError(
                f"the training in {self.earlier} can't be gone on from: {error}. Run again for a full retrain"
            ) from error
        parameters = dict(model.named_parameters())
        for key, value in moments.items():
            slot, _, name = key.partition("/")
            optimizer.state[parameters[name]][slot] = value.to(parameters[name].device)


class NewestDays:
    """The batches of the newest days, for training; all else, epoch 0 too, is the whole window's."""

    def __init__(self, newest: TrainingData, whole: TrainingData) -> None:
        self._newest, self._whole = newest, whole
        self.validation, self.base_rates, self.steps = whole.validation, whole.base_rates, newest.steps

    def epoch(self, epoch: int, batch_requests: int) -> Iterator[Batch]:
        """Epoch 0 is what statistics are taken from."""
        return (self._newest if epoch else self._whole).epoch(epoch, batch_requests)
