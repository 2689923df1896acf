"""The cross model of a window, trained once and stored: what other models are distilled from.

It is trained as they are, on the same requests: never on those kept for validation, and by the same loss. Nothing is
chosen by the validation requests: its last epoch's weights are kept.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from mtmd.config import Preset, TrainingConfig
from mtmd.errors import ConfigError
from mtmd.extract.window import window_fingerprint
from mtmd.extras.distillation.cross import CrossRanker
from mtmd.extras.distillation.pairs import Distillation
from mtmd.extras.distillation.settings import Settings
from mtmd.model.device import choose_device
from mtmd.store.files import digest, locked, read_json, remove, write_json
from mtmd.store.outputs import make_once
from mtmd.train.checkpoints import WEIGHTS, restored, save_weights
from mtmd.train.results import FIT, FitResult, Progress
from mtmd.train.stage import TrainingJob, window_data
from mtmd.train.step import choose_precision, on_gpu
from mtmd.train.trainer import TRAINING_FORMAT, Recipe, fit

CROSS_FORMAT = 2  # raise it whenever the same window and configuration would give another cross model
_OF_MODEL = {"statistics", "norm_min_rows"}  # what it takes of `[model]`
_OF_TEACHING = {"weight", "pairs"}  # how it teaches, and not what it is


def recipe(preset: Preset) -> Recipe:
    """How the cross model is trained: alike for all that may be taught by the same one."""
    return Recipe(
        kind="cross",
        build=lambda: build_cross(preset),
        training=_optimisation(preset),
        names=_names(preset),
        keeps_last=True,
    )


def build_cross(preset: Preset) -> CrossRanker:
    """A new cross model; the global generator is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(preset.training.seed)
        return CrossRanker(preset.declarations, preset.extra(Settings), preset.model)


def cross_key(window: str, preset: Preset) -> str:
    """Name of a window's cross model: its data, its configuration, its formats, torch's version."""
    training = _optimisation(preset)
    return digest(
        {
            "formats": [TRAINING_FORMAT, CROSS_FORMAT],
            "window": window,
            **_names(preset),
            "declarations": preset.declarations.model_dump(mode="json"),
            "torch": torch.__version__,
            "precision": choose_precision(training),
            **on_gpu(training),
        }
    )


def teaching(job: TrainingJob, on_progress: Callable[[Progress], None] | None) -> Distillation | None:
    """The window's cross model, trained unless it is stored; None where the preset wants none.

    A stored one that was damaged is made again; a training that was killed goes on from its last epoch.
    """
    preset, settings = job.plan.preset, job.plan.preset.extra(Settings)
    if not settings.weight:
        return None
    if "ranks" in preset.extras.recipes():
        raise ConfigError(
            f"extras.distillation.weight ({settings.weight}) must be 0 on several ranks: pairs are drawn from a whole "
            "batch, and a rank has a part of it; set extras.ranks.count = 1, or the weight to 0"
        )
    key = cross_key(window_fingerprint(job.window), preset)
    final, work = job.plan.workspace.trained("cross", key), job.plan.workspace.work("cross", key)

    def build(directory: Path) -> None:
        model, result = fit(recipe(preset), window_data(job.plan, job.window), preset, work, on_progress)
        save_weights(model, directory / WEIGHTS)
        write_json(directory / FIT, result.model_dump(mode="json"))

    with locked(work.with_name(f"{work.name}.lock"), timeout_s=24 * 3600):  # others train beside it
        reused = make_once(final, build)
        remove(work)
    cross = restored(build_cross(preset), final / WEIGHTS, f"the cross model of preset {preset.name!r}")
    return Distillation(
        name=key,
        cross=cross.to(choose_device(preset.training.device)),
        tasks=torch.from_numpy(preset.domains.task_mask),
        pairs=settings.pairs,
        weight=settings.weight,
        seed=preset.training.seed,
        precision=choose_precision(preset.training),
        seconds=0.0 if reused else FitResult.model_validate(read_json(final / FIT)).seconds,
    )


def _optimisation(preset: Preset) -> TrainingConfig:
    own = preset.extra(Settings).model_dump(include={"learning_rate", "epochs"})
    return preset.training.model_copy(update=own | {"level_days": 0})


def _names(preset: Preset) -> dict[str, Any]:
    """What decides the cross model's weights, besides its window and the declarations."""
    return {
        "model": preset.model.model_dump(mode="json", include=_OF_MODEL),
        "cross": preset.extra(Settings).model_dump(mode="json", exclude=_OF_TEACHING),
        "training": _optimisation(preset).recipe,
    }
