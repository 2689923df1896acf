"""Train one kind of model on the window, once: the output is named by everything that went in."""

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import torch
from pydantic import Field

from mtmd.config import Frozen, Preset
from mtmd.errors import ConfigError, StorageError
from mtmd.extract.shards import ShardRef, open_shard
from mtmd.extract.window import Share, WindowData, window_fingerprint
from mtmd.model.build import ModelKind
from mtmd.model.device import choose_device
from mtmd.model.ranker import RankingModel
from mtmd.run import RunPlan
from mtmd.store.files import digest, locked, read_json, remove, write_json
from mtmd.store.outputs import is_complete, make_once
from mtmd.train.checkpoints import WEIGHTS, load_weights, save_weights
from mtmd.train.cross import cross_key, distillation
from mtmd.train.distil import Distillation
from mtmd.train.group import Group
from mtmd.train.launch import RankJob, run_ranks
from mtmd.train.optimizer import RowAdamW
from mtmd.train.results import FIT, FitResult, Progress, TrainingData
from mtmd.train.step import choose_precision, on_gpu
from mtmd.train.trainer import TRAINING_FORMAT, Beginning, fit, require_no_launcher
from mtmd.train.warm import MOMENTS, RESUMABLE, NewestDays, Resumable, WarmStart, go_on

_RECIPE = "recipe.json"


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
    start: WarmStart | None = Field(None, description="what the training went on from; None for a full one")

    @property
    def name(self) -> str:
        """The predictor's name in an evaluation."""
        return self.variant or self.kind


def training_key(kind: ModelKind, window: str, preset: Preset, start: WarmStart | None = None) -> str:
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
            **({} if preset.training.distil == 0.0 else {"cross": cross_key(window, preset)}),
        }
    )


def candidate_of(trained: Sequence[Trained]) -> Trained:
    """The MTMD model among a run's models, which may go live; the others are what it is compared with."""
    return next(model for model in trained if model.name == "mtmd")


def train(
    plan: RunPlan,
    kind: ModelKind,
    window: Sequence[ShardRef],
    on_progress: Callable[[Progress], None] | None = None,
    *,
    variant: str | None = None,
    seed: int | None = None,
    start: WarmStart | None = None,
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
        lasting = kind == "mtmd" and variant is None and plan.preset.training.start == "champion"
        job = RankJob(
            plan=plan,
            kind=kind,
            window=tuple(window),
            start=start,
            work=str(work),
            directory=str(directory),
            moments=str(directory / MOMENTS) if lasting else None,
        )
        if plan.preset.training.ranks > 1:
            run_ranks(job, plan.preset.training.ranks, on_progress)
        else:
            _fit(job, _taught(plan, window, on_progress), on_progress)
        if lasting:
            write_json(directory / RESUMABLE, resumable(plan.preset).model_dump(mode="json"))
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


def fit_rank(
    job: RankJob, group: Group, share: Share, on_progress: Callable[[Progress], None] | None
) -> None:
    """A training's part that one of its ranks has; the first one writes."""
    _fit(job, (None, 0.0), on_progress, group, share)


def _fit(
    job: RankJob,
    taught: tuple[Distillation | None, float],
    on_progress: Callable[[Progress], None] | None,
    group: Group | None = None,
    share: Share | None = None,
) -> None:
    """Train, and write weights and record into the job's directory."""
    plan, directory = job.plan, Path(job.directory)
    data, beginning = _material(plan, job.window, job.start, share)
    writes = group is None or group.rank == 0
    model, result = fit(
        job.kind,
        data,
        plan.preset if job.start is None else job.start.of(plan.preset),
        Path(job.work),
        on_progress,
        beginning=beginning,
        moments=Path(job.moments) if job.moments is not None and writes else None,
        taught=taught[0],
        group=group,
    )
    if not writes:
        return
    result = result.model_copy(update={"cross_seconds": taught[1]})
    save_weights(model, directory / WEIGHTS)
    write_json(directory / FIT, result.model_dump(mode="json"))


def is_trained(
    plan: RunPlan,
    kind: ModelKind,
    window: Sequence[ShardRef],
    *,
    variant: str | None = None,
    start: WarmStart | None = None,
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


def resumable(preset: Preset) -> Resumable:
    """What a training of MTMD by this preset is made with."""
    return Resumable(
        format=TRAINING_FORMAT,
        precision=choose_precision(preset.training),
        declarations=preset.declarations,
        model=preset.model.model_dump(mode="json"),
        training=preset.training.recipe,
    )


def _material(
    plan: RunPlan, window: Sequence[ShardRef], start: WarmStart | None, share: Share | None
) -> tuple[TrainingData, Beginning | None]:
    """The batches of a training, and what it goes on from."""
    whole = window_data(plan, window, share)
    if start is None:
        return whole, None
    earlier = plan.workspace.trained("mtmd", start.training)
    made_with = Resumable.model_validate(read_json(earlier / RESUMABLE))
    newest = sorted(window, key=lambda ref: ref.day)[-start.days :]

    def load(model: RankingModel, optimizer: RowAdamW) -> None:
        go_on(model, optimizer, earlier / WEIGHTS, made_with.declarations, plan.preset.declarations)

    return NewestDays(window_data(plan, newest, share, training_only=True), whole), Beginning(
        digest(start.key()), load
    )


def _taught(
    plan: RunPlan, window: Sequence[ShardRef], on_progress: Callable[[Progress], None] | None
) -> tuple[Distillation | None, float]:
    """What a training is distilled from, where the preset wants it; and the seconds that it took to train that."""
    if plan.preset.training.distil == 0.0:
        return None, 0.0
    return distillation(plan, window_fingerprint(window), window_data(plan, window), on_progress)


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
        explored_weight=training.explored_weight,
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

    Raises ConfigError for a device that is not there, or for more ranks than GPUs; TrainingError where torchrun
    started this process.
    """
    ranks = preset.training.ranks
    require_no_launcher(ranks)
    device = choose_device(preset.training.device)
    if device.type == "cuda" and ranks > torch.cuda.device_count():
        raise ConfigError(
            f"training.ranks ({ranks}) must be at most the number of GPUs ({torch.cuda.device_count()}): each rank "
            'has one; lower training.ranks, or set training.device = "cpu"'
        )
