"""Train one kind of model on the window, once: the output is named by everything that went in."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import torch
from pydantic import Field

from mtmd import extension
from mtmd.config import Frozen, Preset
from mtmd.errors import StorageError
from mtmd.extract.shards import ShardRef, open_shard
from mtmd.extract.window import Share, WindowData, window_fingerprint
from mtmd.model.build import ModelKind
from mtmd.model.device import choose_device
from mtmd.model.ranker import RankingModel
from mtmd.run import RunPlan
from mtmd.store.files import digest, locked, read_json, remove, write_json
from mtmd.store.outputs import is_complete, make_once
from mtmd.train.additions import ChosenStart, OneRank, Opening, Start, Teaching
from mtmd.train.checkpoints import WEIGHTS, load_weights, save_weights
from mtmd.train.results import FIT, FitResult, Progress, TrainingData
from mtmd.train.step import choose_precision, on_gpu
from mtmd.train.trainer import TRAINING_FORMAT, Additions, fit

_RECIPE = "recipe.json"
OnProgress = Callable[[Progress], None]


class Trained(Frozen):
    """A trained model on disk."""

    kind: ModelKind
    variant: str | None = Field(None, description="ablation variant; None for the preset as it is")
    seed: int = Field(description="of the training")
    key: str
    path: str
    reused: bool
    fit: FitResult
    last: date | None = Field(None, description="last day of its window where that is an earlier run's")
    start: Start | None = Field(None, description="what the training went on from; None for a full one")

    @property
    def name(self) -> str:
        """The predictor's name in an evaluation."""
        return self.variant or self.kind


class TrainingJob(Frozen):
    """What a process must know to train a model, or its part of one."""

    plan: RunPlan
    kind: ModelKind
    variant: str | None
    window: tuple[ShardRef, ...]
    start: Start | None
    work: str
    directory: str = Field(description="gets weights and record")


def training_key(kind: ModelKind, window: str, preset: Preset, start: Start | None = None) -> str:
    """Name of a trained model: its data, its configuration, its format, torch's version, what it goes on from."""
    rival: Any = None if kind == "mtmd" else getattr(preset.rivals, kind).recipe()
    return digest(
        {
            "format": TRAINING_FORMAT,
            "kind": kind,
            "window": window,
            "model": preset.model.model_dump(mode="json"),  # rivals take their normalisation from it
            "rival": rival,
            "training": preset.training.recipe,
            "declarations": preset.declarations.model_dump(mode="json"),
            "torch": torch.__version__,
            "precision": choose_precision(preset.training),
            **on_gpu(preset.training),
            **({} if start is None else {"start": start.key()}),
            **preset.extras.recipes(),
        }
    )


def candidate_of(trained: Sequence[Trained]) -> Trained:
    """The MTMD model among a run's models, which may go live; the others are what it is compared with."""
    return next(model for model in trained if model.name == "mtmd")


def choose_start(plan: RunPlan, window: Mapping[date, str]) -> ChosenStart:
    """What the day's training of MTMD goes on from; `window` has the fingerprint of each training day's shard."""
    chosen = (there.choose(plan, window) for there in extension.modules("start").values())
    return next((one for one in chosen if one is not None), ChosenStart())


def train(
    plan: RunPlan,
    kind: ModelKind,
    window: Sequence[ShardRef],
    on_progress: OnProgress | None = None,
    *,
    variant: str | None = None,
    seed: int | None = None,
    start: Start | None = None,
) -> Trained:
    """Train `kind` on the window's shards, or take what an earlier run trained on the same inputs.

    `variant` and `seed` change the plan's preset. A run that was killed goes on from its last checkpoint.
    With `start` the training goes on from that one, which is the preset's own MTMD.
    Raises TrainingError when the loss is not finite.
    """
    plan = plan.changed(variant, seed)
    key = training_key(kind, window_fingerprint(window), plan.preset, start)
    final, work = plan.workspace.trained(kind, key), plan.workspace.work(kind, key)

    def build(directory: Path) -> None:
        job = TrainingJob(
            plan=plan,
            kind=kind,
            variant=variant,
            window=tuple(window),
            start=start,
            work=str(work),
            directory=str(directory),
        )
        launchers = extension.modules("launcher").values()
        if launcher := next((there for there in launchers if there.ranks(plan.preset) > 1), None):
            launcher.run(job, on_progress)
        else:
            run_job(job, on_progress)
        recipe = {  # what a person wants to know of a directory whose name is a digest
            "kind": kind, "variant": variant, "seed": plan.preset.training.seed, "preset": plan.preset.name,
            "first": window[0].day, "last": window[-1].day, **_found_again(plan.preset, kind, window),
            **({} if start is None else {"start": start.model_id}),
        }  # fmt: skip
        write_json(directory / _RECIPE, recipe)

    with locked(work.with_name(f"{work.name}.lock"), timeout_s=24 * 3600):  # others train beside it
        reused = make_once(final, build)
        remove(work)  # also what a run left that was killed right before this line
    return Trained(
        kind=kind,
        variant=variant,
        seed=plan.preset.training.seed,
        key=key,
        path=str(final),
        reused=reused,
        fit=read_fit(final),
        start=start,
    )


def run_job(
    job: TrainingJob, on_progress: OnProgress | None, ranks: OneRank | None = None, share: Share | None = None
) -> None:
    """Train, and write weights and record into the job's directory; with ranks, a rank's part of it."""
    directory, ranks = Path(job.directory), ranks or OneRank()
    preset, data, opening = _material(job, share)
    additions = Additions(opening, _teaching(job, on_progress), ranks)
    model, result = fit(job.kind, data, preset, Path(job.work), on_progress, additions)
    if ranks.rank == 0:
        save_weights(model, directory / WEIGHTS)
        write_json(directory / FIT, result.model_dump(mode="json"))


def _material(job: TrainingJob, share: Share | None) -> tuple[Preset, TrainingData, Opening]:
    """The settings of a training, its batches, and how it begins: as an extra says, or plainly."""
    if job.kind == "mtmd" and job.variant is None:
        for there in extension.modules("start").values():
            if (found := there.material(job, share)) is not None:
                material: tuple[Preset, TrainingData, Opening] = found
                return material
    return job.plan.preset, window_data(job.plan, job.window, share), Opening()


def _teaching(job: TrainingJob, on_progress: OnProgress | None) -> Teaching:
    found = (there.teaching(job, on_progress) for there in extension.modules("teaching").values())
    return next((one for one in found if one is not None), Teaching())


def is_trained(
    plan: RunPlan,
    kind: ModelKind,
    window: Sequence[ShardRef],
    *,
    variant: str | None = None,
    start: Start | None = None,
) -> bool:
    """Whether `train` with the same arguments would find its model complete, and train nothing."""
    key = training_key(kind, window_fingerprint(window), plan.changed(variant).preset, start)
    return is_complete(plan.workspace.trained(kind, key))


def read_fit(directory: Path) -> FitResult:
    """The record of the training in a directory."""
    return FitResult.model_validate(read_json(directory / FIT))


def read_recipe(directory: Path) -> dict[str, Any]:
    """What a directory's training was made from; empty where nothing readable is there."""
    try:
        found = read_json(directory / _RECIPE)
    except StorageError:
        return {}
    return found if isinstance(found, dict) else {}


def _found_again(preset: Preset, kind: ModelKind, window: Sequence[ShardRef]) -> dict[str, Any]:
    """What later days look for a rival by, its window's days included; of a model that every day trains, nothing."""
    if kind == "mtmd" or getattr(preset.rivals, kind).every_days == 1:
        return {}
    shards = {ref.day.isoformat(): ref.fingerprint for ref in window}
    return {"window": window_fingerprint(window), "shards": shards}


def window_data(
    plan: RunPlan, window: Sequence[ShardRef], share: Share | None = None, *, training_only: bool = False
) -> WindowData:
    """Open the window's shards for training, of which a rank may have a share; the keywords are WindowData's."""
    training = plan.preset.training
    return WindowData(
        [open_shard(Path(ref.path)) for ref in window],
        plan.preset.declarations,
        validation_fraction=training.validation_fraction,
        seed=training.seed,
        sample_fraction=training.sample_fraction,
        share=share,
        training_only=training_only,
    )


def load_trained(plan: RunPlan, trained: Trained) -> RankingModel:
    """The trained model in evaluation mode, on the CPU."""
    preset = plan.changed(trained.variant).preset
    return load_weights(trained.kind, preset, Path(trained.path) / WEIGHTS)


def load_for_scoring(plan: RunPlan, trained: Trained) -> RankingModel:
    """The trained model in evaluation mode, on the preset's device; raises ConfigError where that is not there."""
    return load_trained(plan, trained).to(choose_device(plan.preset.training.device))


def require_machine(preset: Preset) -> None:
    """See that this machine can train as the preset says, before anything is read.

    Raises ConfigError for a device that is not there, or for more ranks than it can have.
    """
    choose_device(preset.training.device)
    for launcher in extension.modules("launcher").values():
        launcher.require_machine(preset)
