"""Train one kind of model on the window, once: the output is named by everything that went in.

`train` names the output, and makes it under a lock unless it is there; `run_job` is what a process does to make it, or
each of a launcher's ranks; `mtmd.train.trainer.fit` trains.
"""

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import Field

from mtmd import extension
from mtmd.config import Frozen, Preset
from mtmd.errors import StorageError
from mtmd.extract.shards import ShardRef, open_shard
from mtmd.extract.window import Share, WindowData, window_fingerprint
from mtmd.model.ranker import RankingModel, choose_device
from mtmd.run import RunPlan
from mtmd.store.files import digest, locked, read_json, remove, write_json
from mtmd.store.workspace import make_once
from mtmd.train.results import (
    FIT,
    WEIGHTS,
    ChosenStart,
    FitResult,
    OnProgress,
    Start,
    load_weights,
    save_tensors,
)
from mtmd.train.trainer import OneRank, fit, recipe_of

_MADE = "recipe.json"
# What makes a job's output in the place of `run_job`; `mtmd.train.processes` sets it.
apart: ContextVar["Callable[[TrainingJob, OnProgress | None], None] | None"] = ContextVar(
    "apart", default=None
)


class Trained(Frozen):
    """A trained model on disk."""

    kind: str
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
    kind: str
    variant: str | None
    window: tuple[ShardRef, ...]
    start: Start | None
    work: str
    directory: str = Field(description="gets weights and record")


class Made(Frozen):
    """What a training was made from: `recipe.json` beside its weights, whose directory's name is a digest."""

    recipe: dict[str, Any]
    shards: dict[date, str] = Field(description="fingerprint of each day's shard")


def training_key(kind: str, window: str, preset: Preset, start: Start | None = None) -> str:
    """Name of a trained model: its recipe, its window's fingerprint, and what it goes on from."""
    return digest([recipe_of(kind, preset), window, None if start is None else start.key()])


def choose_start(plan: RunPlan, window: Mapping[date, str]) -> ChosenStart:
    """What the day's candidate goes on from; `window` has the fingerprint of each training day's shard."""
    chosen = (there.choose(plan, window) for there in extension.modules("start").values())
    return next((one for one in chosen if one is not None), ChosenStart())


def train(
    plan: RunPlan,
    kind: str,
    window: Sequence[ShardRef],
    on_progress: OnProgress | None = None,
    *,
    variant: str | None = None,
    seed: int | None = None,
    start: Start | None = None,
) -> Trained:
    """Train `kind` on the window's shards, or take what an earlier run trained on the same inputs.

    `variant` and `seed` change the plan's preset. A run that was killed goes on from its last checkpoint.
    Raises TrainingError when the loss is not finite.
    """
    plan = plan.changed(variant, seed)
    key = training_key(kind, window_fingerprint(window), plan.preset, start)
    final, work = plan.workspace.trained(kind, key), plan.workspace.work(kind, key)

    def build(directory: Path) -> None:
        job = TrainingJob(
            plan=plan, kind=kind, variant=variant, window=tuple(window), start=start, work=str(work),
            directory=str(directory),
        )  # fmt: skip
        launcher = launcher_of(plan.preset)
        (launcher.run if launcher else apart.get() or run_job)(job, on_progress)
        shards = {ref.day: ref.fingerprint for ref in window}
        made = Made(recipe=recipe_of(kind, plan.preset), shards=shards)
        write_json(directory / _MADE, made.model_dump(mode="json"))

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


def run_job(job: TrainingJob, on_progress: OnProgress | None, ranks: OneRank | None = None) -> None:
    """Train, and write weights and record into the job's directory; with ranks, a rank's part of it.

    For what may go live, an extra may say how it begins (seam `start`): with which settings, batches and weights.
    """
    ranks = ranks or OneRank()
    share = Share(ranks.rank, ranks.ranks)
    preset, opening = job.plan.preset, None
    data = window_data(job.plan, job.window, share, by_surface=preset.model_of(job.kind).by_surface)
    if job.kind in preset.contestants and job.variant is None:
        for there in extension.modules("start").values():
            preset, data, opening = there.material(job, share) or (preset, data, opening)
    directory = Path(job.directory)
    model, result = fit(job.kind, data, preset, Path(job.work), on_progress, opening=opening, ranks=ranks)
    if ranks.rank == 0:
        save_tensors(model.state_dict(), directory / WEIGHTS)
        write_json(directory / FIT, result.model_dump(mode="json"))


def read_fit(directory: Path) -> FitResult:
    """The record of the training in a directory."""
    return FitResult.model_validate(read_json(directory / FIT))


def read_made(directory: Path) -> Made | None:
    """What a directory's training was made from; None where nothing readable is there."""
    try:
        return Made.model_validate(read_json(directory / _MADE))
    except (StorageError, ValueError):
        return None


def window_data(
    plan: RunPlan, window: Sequence[ShardRef], share: Share | None = None, **options: bool
) -> WindowData:
    """Open the window's shards for training, of which a rank may have a share; the keywords are WindowData's."""
    training, shards = plan.preset.training, [open_shard(Path(ref.path)) for ref in window]
    forecast = _forecast(plan.preset)
    return WindowData(
        shards,
        plan.preset.declarations,
        validation_fraction=training.validation_fraction,
        seed=training.seed,
        sample_fraction=training.sample_fraction,
        share=share,
        half_life_days=training.half_life_days,
        targets=forecast.targets(shards, plan.preset.domains, training.forecast_step) if forecast else None,
        **options,
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

    Raises ConfigError for a device or an extra that is not there, or for more ranks than it can have.
    """
    _forecast(preset)
    choose_device(preset.training.device)
    for launcher in extension.modules("launcher").values():
        launcher.require_machine(preset)


def launcher_of(preset: Preset) -> ModuleType | None:
    """What trains on several ranks, where the preset asks for that."""
    launchers = extension.modules("launcher").values()
    return next((there for there in launchers if there.ranks(preset) > 1), None)


def _forecast(preset: Preset) -> ModuleType | None:
    """What moves the scores, where the preset asks for that; raises ConfigError where it is not there."""
    step = preset.training.forecast_step
    return extension.required("forecast", "targets", f"training.forecast_step ({step})") if step else None
