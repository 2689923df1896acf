"""A training that goes on from an earlier one: from its weights and its optimizer's moments, over the newest days.

A model is made anew on the whole window, as for a full retrain: that gives the statistics of norms and the counts of
values. Then it takes the earlier model's weights (see `carry`). Gains, shifts and weights were learned on values that
an earlier window standardised, and are kept as they are: a value means how unusual it is in its window.

Moments are those of the training's end. Which training a day goes on from is decided in `choice`.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mtmd.config import Declarations, Preset
from mtmd.errors import TrainingError
from mtmd.extract.window import Share
from mtmd.extras.warmstart.carry import carry, learned
from mtmd.extras.warmstart.choice import RESUMABLE, Resumable, choose, resumable
from mtmd.extras.warmstart.settings import Settings
from mtmd.model.batch import Batch
from mtmd.model.ranker import RankingModel
from mtmd.model.two_tower import MTMD
from mtmd.store.files import digest, read_json, write_json
from mtmd.train.additions import MOMENTS, Opening, Start
from mtmd.train.checkpoints import WEIGHTS, restored, save_tensors
from mtmd.train.optimizer import RowAdamW
from mtmd.train.results import TrainingData
from mtmd.train.stage import TrainingJob, window_data

__all__ = ["choose", "material"]  # the seam

_SLOTS, _STEP = ("exp_avg", "exp_avg_sq"), "step"
_log = logging.getLogger(__name__)


def material(job: TrainingJob, share: Share | None) -> tuple[Preset, TrainingData, Opening] | None:
    """The settings, batches and opening of MTMD's training; None where the preset retrains every day in full."""
    plan, start = job.plan, job.start
    if not plan.preset.extra(Settings).on:
        return None
    whole, opening = window_data(plan, job.window, share), Kept(plan.preset, Path(job.directory))
    if start is None:
        return plan.preset, whole, opening
    earlier = plan.workspace.trained("mtmd", start.training)
    made_with = Resumable.model_validate(read_json(earlier / RESUMABLE))
    newest = sorted(job.window, key=lambda ref: ref.day)[-start.days :]
    data = NewestDays(window_data(plan, newest, share, training_only=True), whole)
    opening = GoneOn(plan.preset, Path(job.directory), start, earlier, made_with.declarations)
    return shorter(plan.preset, start), data, opening


def shorter(preset: Preset, start: Start) -> Preset:
    """The preset with the passes and the rate of a training that goes on."""
    training = preset.training
    changes = {"epochs": start.epochs, "learning_rate": training.learning_rate * start.rate}
    return preset.model_copy(update={"training": training.model_copy(update=changes)})


@dataclass(frozen=True)
class Kept(Opening):
    """A new model, whose training keeps what a later one needs to go on from it.

    preset  the day's, with the passes and the rate of a full retrain: later days compare it with theirs
    """

    preset: Preset
    directory: Path

    def end(self, model: RankingModel, optimizer: RowAdamW) -> None:
        """Write the optimizer's state by the names of the parameters, and what the training was made with."""
        tensors = {
            f"{slot}/{name}": value.detach().cpu().contiguous()
            for name, parameter in model.named_parameters()
            for slot, value in optimizer.state[parameter].items()
        }
        save_tensors(tensors, self.directory / MOMENTS)
        write_json(self.directory / RESUMABLE, resumable(self.preset).model_dump(mode="json"))


@dataclass(frozen=True)
class GoneOn(Kept):
    """A model that takes the weights and moments of an earlier training, which had these declarations."""

    start: Start
    earlier: Path
    declarations: Declarations

    @property
    def name(self) -> str:  # type: ignore[override]
        """By what of the start decides the weights."""
        return digest(self.start.key())

    def begin(self, model: RankingModel, optimizer: RowAdamW) -> None:
        """Raises TrainingError when the files can't be read."""
        assert isinstance(model, MTMD)  # no other kind goes on
        go_on(model, self.preset, optimizer, self.earlier, self.declarations)


class NewestDays:
    """The batches of the newest days, for training; all else, epoch 0 too, is the whole window's."""

    def __init__(self, newest: TrainingData, whole: TrainingData) -> None:
        self._newest, self._whole = newest, whole
        self.validation, self.newest, self.base_rates = whole.validation, whole.newest, whole.base_rates
        self.steps = newest.steps

    def epoch(self, epoch: int, batch_requests: int) -> Iterator[Batch]:
        """Epoch 0 is what statistics are taken from."""
        return (self._newest if epoch else self._whole).epoch(epoch, batch_requests)


def go_on(
    model: MTMD, preset: Preset, optimizer: RowAdamW, earlier: Path, declarations: Declarations
) -> None:
    """Give a new model, which has its window's statistics, the weights and moments of a stored training.

    Raises TrainingError when the files can't be read.
    """
    try:
        with torch.random.fork_rng(devices=[]):
            before = MTMD(declarations, preset.model)
        restored(before, earlier / WEIGHTS, f"an MTMD of {earlier}")
        moments = load_file(earlier / MOMENTS)
    except (OSError, SafetensorError, TrainingError) as error:
        raise TrainingError(
            f"the training in {earlier} can't be gone on from: {error}. Run again for a full retrain"
        ) from error
    have, wanted = learned(before, declarations), learned(model, preset.declarations)
    anew = carry(before.state_dict(), have, model.state_dict(), wanted)
    if anew:
        _log.info("initialised as in a new model, in whole or in part: %s", ", ".join(anew))
    parameters, shapes = dict(model.named_parameters()), before.state_dict()
    for slot in (*_SLOTS, _STEP):
        own = {  # a count of steps as large as its parameter, so that it goes by feature as well
            name: value.expand(shapes[name].shape)
            for key, value in moments.items()
            for of, _, name in [key.partition("/")]
            if of == slot
        }
        carried = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
        carry(own, have, carried, wanted)
        for name, value in carried.items():
            optimizer.state[parameters[name]][slot] = _count(value) if slot == _STEP else value


def _count(steps: Tensor) -> Tensor:
    """Of all that a parameter has, the largest count; 0 of an empty one."""
    return steps.amax() if steps.numel() else steps.new_zeros(())
