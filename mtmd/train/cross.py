"""The cross model of a window, trained once and stored: what other models are distilled from (`training.distil`).

It is trained as they are, on the same requests: never on those kept for validation, and by the same loss. Its settings
are those of `[training.cross]`. Nothing is chosen by the validation requests: its last epoch's weights are kept.
"""

from collections.abc import Callable
from pathlib import Path

import torch

from mtmd.config import Preset
from mtmd.model.cross import SETTINGS
from mtmd.model.device import choose_device
from mtmd.run import RunPlan
from mtmd.store.files import digest, locked, read_json, remove, write_json
from mtmd.store.outputs import make_once
from mtmd.train.checkpoints import WEIGHTS, load_weights, save_weights
from mtmd.train.distil import Distillation
from mtmd.train.results import FIT, FitResult, Progress, TrainingData
from mtmd.train.step import choose_precision, on_gpu
from mtmd.train.trainer import TRAINING_FORMAT, fit

CROSS_FORMAT = 1  # raise it whenever the same window and configuration would give another cross model


def cross_key(window: str, preset: Preset) -> str:
    """Name of a window's cross model: its data, its configuration, its formats, torch's version.

    The same for presets that differ in what they distil from it, or in MTMD's own layers.
    """
    training = preset.training_of("cross")
    return digest(
        {
            "formats": [TRAINING_FORMAT, CROSS_FORMAT],
            "window": window,
            "model": preset.model.model_dump(mode="json", include=set(SETTINGS)),
            "training": training.recipe,
            "declarations": preset.declarations.model_dump(mode="json"),
            "torch": torch.__version__,
            "precision": choose_precision(training),
            **on_gpu(training),
        }
    )


def distillation(
    plan: RunPlan,
    window: str,
    data: TrainingData,
    on_progress: Callable[[Progress], None] | None = None,
) -> tuple[Distillation, float]:
    """The window's cross model, trained unless it is stored, and the seconds that its training took here.

    A stored one that was damaged is made again; a training that was killed goes on from its last epoch.
    """
    preset, key = plan.preset, cross_key(window, plan.preset)
    final, work = plan.workspace.trained("cross", key), plan.workspace.work("cross", key)

    def build(directory: Path) -> None:
        model, result = fit("cross", data, preset, work, on_progress)
        save_weights(model, directory / WEIGHTS)
        write_json(directory / FIT, result.model_dump(mode="json"))

    with locked(work.with_name(f"{work.name}.lock"), timeout_s=24 * 3600):  # others train beside it
        reused = make_once(final, build)
        remove(work)
    seconds = 0.0 if reused else FitResult.model_validate(read_json(final / FIT)).seconds
    taught = Distillation(
        name=key,
        cross=load_weights("cross", preset, final / WEIGHTS).to(choose_device(preset.training.device)),
        tasks=torch.from_numpy(preset.domains.task_mask),
        pairs=preset.training.distil_pairs,
        seed=preset.training.seed,
        precision=choose_precision(preset.training),
    )
    return taught, seconds
