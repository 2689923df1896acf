"""A training that goes on from an earlier one: which, and from its weights and moments, over the newest days.

The registry and the day decide, so a run that is repeated chooses alike: the newest model that was champion before the
day, and still can be. Where it can't be gone on from, the day makes a full retrain, and says why. A model is made anew
on the whole window, which gives the statistics of norms and the counts of values; then it takes the earlier parameters.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from mtmd.config import Preset
from mtmd.errors import TrainingError
from mtmd.extract.window import Share
from mtmd.extras.warmstart import Settings
from mtmd.model.batch import Batch
from mtmd.model.ranker import RankingModel
from mtmd.registry.incumbent import earlier_champions
from mtmd.registry.records import ModelManifest
from mtmd.registry.registry import Registry
from mtmd.run import RunPlan
from mtmd.store.files import digest
from mtmd.store.workspace import is_complete
from mtmd.train.optimizer import RowAdamW
from mtmd.train.results import MOMENTS, WEIGHTS, ChosenStart, Start, TrainingData, save_tensors
from mtmd.train.stage import TrainingJob, read_made, window_data
from mtmd.train.trainer import Opening, recipe_of

_log = logging.getLogger(__name__)
__all__ = ["choose", "material"]  # the seam


def choose(plan: RunPlan, window: Mapping[date, str]) -> ChosenStart | None:
    """The start of the day's training; `window` has the fingerprint of each training day's shard.

    None where the preset retrains every day in full. A start that is damaged, or missing, is logged as a warning.
    """
    if not plan.preset.extras.of(Settings).on:
        return None
    champion = next(earlier_champions(Registry(plan.workspace.root), plan.as_of), None)
    if champion is None:
        return _full("no model of an earlier day is champion, or could become it again")
    why = next(_obstacles(plan, champion, window), None)
    if why is not None:
        return _full(f"{champion.model_id} is not gone on from, because {why}")
    return _warm(plan, champion, window)


def _last_full(model: ModelManifest) -> tuple[str, date]:
    """Id and day of the last full retrain: its own, or of the model that it descends from."""
    start = model.started_from
    return (model.model_id, model.as_of) if start is None else (start.full_model_id, start.full_as_of)


def _full(why: str) -> ChosenStart:
    return ChosenStart(start=None, words=f"a full retrain: {why}")


def _warm(plan: RunPlan, champion: ModelManifest, window: Mapping[date, str]) -> ChosenStart:
    config, seen = plan.preset.extras.of(Settings), max(champion.window)
    full_model_id, full_as_of = _last_full(champion)
    labelled = plan.preset.domains.action_tasks.values()  # so many days have one whose labels are final
    start = Start(
        model_id=champion.model_id,
        as_of=champion.as_of,
        training=champion.training or "",
        full_model_id=full_model_id,
        full_as_of=full_as_of,
        days=min(len(window), max(config.days, sum(day > seen for day in window), *labelled)),
        epochs=config.epochs,
        rate=config.rate,
    )
    words = (
        f"goes on from {start.model_id} (as_of {start.as_of}) over the newest {start.days} days; the last full retrain "
        f"is {full_model_id} of {full_as_of}"
    )
    return ChosenStart(start=start, words=words)


def _obstacles(plan: RunPlan, champion: ModelManifest, window: Mapping[date, str]) -> Iterator[str]:
    """Why the day must make a full retrain."""
    _, full_as_of = _last_full(champion)
    if champion.kind != plan.candidate:
        yield f"it is {champion.kind}, and the day's candidate is {plan.candidate}"
    if (plan.as_of - full_as_of).days >= (most := plan.preset.extras.of(Settings).full_every_days):
        yield f"the last full retrain is of {full_as_of} (full_every_days {most})"
    if not champion.window:
        yield "its manifest names no training days"
    elif (newest := max(champion.window)) >= plan.as_of:  # it must not be judged on a day that it saw
        yield f"it was trained on {newest}, which is not before {plan.as_of}"
    learned = {day: shard for day, shard in champion.window.items() if day >= min(window)}
    if other := sorted(day for day, shard in learned.items() if window.get(day) != shard):
        yield f"logs of {', '.join(map(str, other[:3]))} are not those it was trained on"
    if why := _damage(plan, champion):
        yield why


def _damage(plan: RunPlan, champion: ModelManifest) -> str | None:
    """What its training lacks, or how it was made otherwise; a warning where what is stored is damaged."""
    directory = plan.workspace.trained(champion.kind, champion.training or "")
    if not is_complete(directory):
        _log.warning("a full retrain is made: training %s of %s is damaged", directory, champion.model_id)
        return f"its training {directory} is missing, or its files are not as its manifest says"
    if not Path(directory / MOMENTS).is_file():
        return "its training kept no moments: extras.warmstart.on was false then"
    made = read_made(directory)
    then, now = {} if made is None else made.recipe, recipe_of(plan.candidate, plan.preset)
    changed = sorted(key for key in then.keys() | now.keys() if then.get(key) != now.get(key))
    return f"the preset or the code has changed: {', '.join(changed)}" if changed else None


def material(job: TrainingJob, share: Share) -> tuple[Preset, TrainingData, Opening] | None:
    """Settings, batches and opening of what may go live; None where the preset retrains every day in full."""
    plan, start = job.plan, job.start
    if not plan.preset.extras.of(Settings).on:
        return None
    whole, directory = window_data(plan, job.window, share), Path(job.directory)
    if start is None:
        return plan.preset, whole, Kept(directory)
    newest = sorted(job.window, key=lambda ref: ref.day)[-start.days :]
    data = NewestDays(window_data(plan, newest, share, training_only=True), whole)
    opening = GoneOn(directory, start, plan.workspace.trained(job.kind, start.training))
    return shorter(plan.preset, job.kind, start), data, opening


def shorter(preset: Preset, kind: str, start: Start) -> Preset:
    """The preset with the passes and the rate of a kind's training that goes on."""
    rate, rivals = {"learning_rate": preset.training_of(kind).learning_rate * start.rate}, dict(preset.rivals)
    if is_rival := kind in rivals:
        rivals[kind] = rivals[kind].model_copy(update=rate)
    training = preset.training.model_copy(update={"epochs": start.epochs} | ({} if is_rival else rate))
    return preset.model_copy(update={"training": training, "rivals": rivals})


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
        optimizer.restart()


class NewestDays:
    """The batches of the newest days, for training; all else, epoch 0 too, is the whole window's."""

    def __init__(self, newest: TrainingData, whole: TrainingData) -> None:
        self._newest, self._whole = newest, whole
        self.validation, self.base_rates, self.steps = whole.validation, whole.base_rates, newest.steps

    def epoch(self, epoch: int, batch_requests: int) -> Iterator[Batch]:
        """Epoch 0 is what statistics are taken from."""
        return (self._newest if epoch else self._whole).epoch(epoch, batch_requests)
