"""Train a model on a window: AdamW, warm-up and cosine, best epoch, resume (paper §2.3, §3.1).

`fit` trains or resumes. Before the first step, `start` sets the model's biases and feature statistics from the window;
an `Opening` may then give it the weights of an earlier training.

The same inputs give the same weights on the same device with the same number of threads: random choices are
drawn from the seed and the epoch, torch is held to deterministic kernels, and no global generator is read or
moved. So a training that was killed and goes on from its last whole epoch ends with the same bits too.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mtmd.config import Preset, TrainingConfig
from mtmd.errors import TrainingError
from mtmd.model.batch import Batch
from mtmd.model.build import ModelKind, build_model
from mtmd.model.device import choose_device, device_of
from mtmd.model.ranker import RankingModel
from mtmd.store.files import digest
from mtmd.train.additions import OneRank, Opening, Teaching, parameters_and_moments
from mtmd.train.checkpoints import TrainingState, load_checkpoint, save_checkpoint
from mtmd.train.dropout import with_dropped_values
from mtmd.train.feed import on_device
from mtmd.train.level import move_level
from mtmd.train.optimizer import RATE, learning_rate_factor, make_optimizer
from mtmd.train.results import EpochRecord, FitResult, Progress, TrainingData
from mtmd.train.step import (
    Precision,
    TrainingLoss,
    bernoulli_kl,
    choose_precision,
    deterministic,
    on_gpu,
    task_sums,
)

TRAINING_FORMAT = 2  # raise it whenever the same window and configuration would give other weights
_REPORT_STEPS = 10  # a report costs a synchronisation; ten steps are well under ten seconds
OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class Recipe:
    """What is trained, and how.

    build       a new model              names   what decides its weights, besides optimisation and declarations
    keeps_last  the last epoch's weights are kept, not those of the best validation loss
    """

    kind: str
    build: Callable[[], RankingModel]
    training: TrainingConfig
    names: dict[str, Any]
    keeps_last: bool = False

    @classmethod
    def of(cls, kind: ModelKind, preset: Preset) -> "Recipe":
        """MTMD's, or a rival's, as the preset has it. Gates, names and settings of other kinds change no weight."""
        names = {
            "model": preset.model.model_dump(mode="json"),  # rivals take their normalisation from it
            "rival": None if kind == "mtmd" else getattr(preset.rivals, kind).recipe(),
            "training": preset.training.recipe,
            **preset.extras.recipes(),
        }
        return cls(kind, lambda: build_model(kind, preset), preset.training_of(kind), names)


class Additions(NamedTuple):
    """What extras change about a training; see `mtmd.train.additions`."""

    opening: Opening = Opening()
    teaching: Teaching = Teaching()
    ranks: OneRank = OneRank()


PLAIN = Additions()


def fit(
    kind: ModelKind | Recipe,
    data: TrainingData,
    preset: Preset,
    work: Path,
    on_progress: OnProgress | None = None,
    additions: Additions = PLAIN,
) -> tuple[RankingModel, FitResult]:
    """Train a new model, or go on from the checkpoint in `work`: the best epoch's model, and the record.

    A training that `work` has complete is not repeated. On several ranks the data has the part of this one. The model
    is returned on the CPU, whatever it was trained on. `on_progress` is called every few steps and after each epoch's
    checkpoint; what it raises ends the training, which can then go on from that checkpoint.
    Raises TrainingError on a loss or gradient that is not finite (kind, epoch, step, values and learning rate
    in the message), and for a checkpoint that does not fit.
    """
    recipe = kind if isinstance(kind, Recipe) else Recipe.of(kind, preset)
    with deterministic():
        run = _Run(recipe, data, preset, work, on_progress, additions)
        while not run.finished:
            run.one_epoch()
        return run.result()


class _Run:
    """One training under way; everything that a checkpoint restores lives here."""

    def __init__(
        self,
        recipe: Recipe,
        data: TrainingData,
        preset: Preset,
        work: Path,
        on_progress: OnProgress | None,
        additions: Additions,
    ) -> None:
        self._opening, self._teaching, self._ranks = additions
        self._recipe, self._data, self._work, self._on_progress = recipe, data, work, on_progress
        self._config, self._declarations = recipe.training, preset.declarations
        self._tasks = preset.domains.task_names
        self._precision: Precision = choose_precision(self._config)
        self._steps = data.steps(self._config.batch_requests)
        if self._steps == 0:
            raise TrainingError(
                "the window has no training batches (0 steps); it needs days with scored candidates"
            )
        self._device = choose_device(self._config.device)
        self._model = recipe.build().to(self._device)
        loss = TrainingLoss.of(self._config, self._tasks, data.base_rates().to(self._device))
        self._loss = self._ranks.loss(self._teaching.loss(loss))
        self._optimizer = make_optimizer(self._model, self._config)
        key = self._key()
        stored = load_checkpoint(work, key, self._model, self._optimizer)
        if stored is None:
            start(self._model, data, self._config.batch_requests)
            self._opening.begin(self._model, self._optimizer)
            stored = (
                TrainingState(key=key, epochs=(), best_epoch=0, trained_rows=0, finished=False),
                self._copy(),
            )
        self._state, self._best = stored
        if not self._ranks.alike(len(self._state.epochs)):
            raise TrainingError(f"ranks found different checkpoints in {work}; all must see the same folder")

    def _key(self) -> str:
        """Digest of what the training depends on: a checkpoint of another one must not be gone on from.

        The base rates stand for the data.
        """
        return digest(
            {
                "kind": self._recipe.kind,
                "declarations": self._declarations.model_dump(mode="json"),
                **self._recipe.names,
                "steps": self._steps,
                "base_rates": [
                    repr(rate) for rate in self._data.base_rates().flatten().tolist()
                ],  # no JSON of NaN
                **on_gpu(self._config),
                "opening": self._opening.name,
                "teaching": self._teaching.name,
            }
        )

    @property
    def finished(self) -> bool:
        return self._state.finished

    def one_epoch(self) -> None:
        """Train over the window once, validate, and write the checkpoint."""
        state, started = self._state, time.perf_counter()
        epoch, best_epoch = len(state.epochs) + 1, state.best_epoch
        train_loss, rows = self._train(epoch, started)
        seconds = time.perf_counter() - started
        validation_loss, logmae = self._validate(epoch)
        record = EpochRecord(
            epoch=epoch,
            train_loss=train_loss,
            validation_loss=validation_loss,
            validation_logmae=logmae,
            seconds=seconds,
        )
        if self._improves(validation_loss):
            best_epoch, self._best = epoch, self._copy()
        self._state = TrainingState(
            key=state.key,
            epochs=(*state.epochs, record),
            best_epoch=best_epoch,
            trained_rows=state.trained_rows + rows,
            finished=epoch == self._config.epochs,
        )
        if self._ranks.rank == 0:
            save_checkpoint(self._work, self._state, self._model, self._optimizer, self._best)
        self._report(epoch, epoch * self._steps, train_loss, validation_loss, rows / seconds)

    def _improves(self, validation_loss: float) -> bool:
        """Whether this epoch's weights are kept."""
        best = self._state.best_epoch
        return (
            best == 0
            or self._recipe.keeps_last
            or validation_loss < self._state.epochs[best - 1].validation_loss
        )

    def result(self) -> tuple[RankingModel, FitResult]:
        """The best epoch's model, at the level that the preset wants, in evaluation mode; and the training's record."""
        state = self._state
        self._optimizer.close()
        if self._ranks.rank == 0:
            self._opening.end(self._model, self._optimizer)
        self._model.load_state_dict(self._best)
        self._model.eval()
        if self._config.level_days:
            days, requests = self._config.level_days, self._config.batch_requests
            move_level(self._model, lambda: on_device(self._data.newest(days, requests), self._device))
        return self._model.cpu(), FitResult(
            kind=self._recipe.kind,
            epochs=state.epochs,
            best_epoch=state.best_epoch,
            stopped_early=len(state.epochs) < self._config.epochs,
            rows_per_s=state.trained_rows / sum(record.seconds for record in state.epochs),
            parameters=self._model.parameter_count,
            embedding_parameters=self._model.embedding_parameter_count,
            precision=self._precision,
            taught_seconds=self._teaching.seconds,
        )

    def _train(self, epoch: int, started: float) -> tuple[float, int]:
        self._model.train()
        total, rows, done = 0.0, 0, (epoch - 1) * self._steps
        batches = on_device(self._data.epoch(epoch, self._config.batch_requests), self._device)
        taught = self._teaching.batches(batches, epoch)
        for index, batch in enumerate(
            with_dropped_values(taught, self._declarations, self._config.seed, epoch), start=1
        ):
            loss, pairs = self._step(epoch, done + index - 1, batch)
            total, rows = total + loss, rows + pairs
            if index % _REPORT_STEPS == 0:
                self._report(epoch, done + index, total / index, None, rows / (time.perf_counter() - started))
        self._optimizer.settle()
        self._ranks.settle(parameters_and_moments(self._model, self._optimizer))
        return total / self._steps, rows

    def _step(self, epoch: int, step: int, batch: Batch) -> tuple[float, int]:
        """The batch's loss, and its pairs."""
        factor = learning_rate_factor(step, self._config.epochs * self._steps, self._config)
        for group in self._optimizer.param_groups:
            group["lr"] = self._config.learning_rate * factor * group[RATE]
        loss, norm, pairs = self._ranks.step(
            self._model, self._optimizer, batch, self._loss, self._precision, self._config.max_gradient_norm
        )
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise TrainingError(
                f"{self._recipe.kind}: loss {loss} with gradient norm {norm} in epoch {epoch}, step {step + 1} at "
                f"learning rate {self._config.learning_rate * factor:.3g} ({self._precision}) is not finite; check "
                f'the teacher scores, lower the learning rate or set training.precision = "float32"'
            )
        return loss, pairs

    @torch.no_grad()
    def _validate(self, epoch: int) -> tuple[float, dict[str, float]]:
        """Weighted KL and LogMAE per task on the validation requests, in float32, whatever is trained on."""
        self._model.eval()
        kl, error, count = torch.zeros(3, len(self._tasks), dtype=torch.float64, device=self._device)
        for batch in on_device(self._data.validation(self._config.batch_requests), self._device):
            log_p = self._model(batch)
            sums, counts = task_sums(bernoulli_kl(log_p, batch.teacher), batch.teacher)
            kl, count = kl + sums, count + counts
            error = error + task_sums((log_p - batch.teacher.log()).abs(), batch.teacher)[0]
        kl, error, count = self._ranks.sum(torch.stack([kl, error, count]))
        if not bool((count > 0).all()):
            raise TrainingError(
                f"the validation slice has {count.tolist()} rows for tasks {list(self._tasks)}; each needs "
                f"some: raise validation_fraction ({self._config.validation_fraction})"
            )
        loss = float(self._loss.mean(kl, count))
        if not math.isfinite(loss):
            raise TrainingError(
                f"{self._recipe.kind}: validation loss {loss} after epoch {epoch} is not finite; "
                f"check the teacher scores or lower the learning rate ({self._config.learning_rate:.3g} at its peak)"
            )
        return loss, dict(zip(self._tasks, (error / count).tolist(), strict=True))

    def _copy(self) -> dict[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self._model.state_dict().items()}

    def _report(self, epoch: int, step: int, train: float, validation: float | None, speed: float) -> None:
        if self._on_progress is not None:
            self._on_progress(
                Progress(
                    kind=self._recipe.kind,
                    epoch=epoch,
                    epochs=self._config.epochs,
                    step=step,
                    steps=self._config.epochs * self._steps,
                    train_loss=train,
                    validation_loss=validation,
                    rows_per_s=speed,
                )
            )


def start(model: RankingModel, data: TrainingData, batch_requests: int) -> None:
    """Set the biases to the window's mean scores, and the statistics of features to those of its training requests.

    One pass over the batches of epoch 0, which training does not use. A row counts once in each batch that it is in.
    """
    device = device_of(model)
    model.initialise_bias(data.base_rates().to(device))
    for batch in on_device(data.epoch(0, batch_requests), device):
        model.observe(batch)
