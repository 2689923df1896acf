"""Train a model on a window: AdamW, warm-up and cosine, best epoch, resume (paper §2.3, §3.1).

The same inputs give the same weights on the same device with the same number of threads (`processes.shared`): random
choices are drawn from the seed and the epoch, kernels are deterministic, and no global generator is read or moved. So a
training that was killed and goes on from its last whole epoch ends with the same bits too.
"""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mtmd.config import Preset
from mtmd.errors import TrainingError
from mtmd.model.batch import Batch, on_device, with_dropped_values
from mtmd.model.ranker import RankingModel, build_model, choose_device, device_of
from mtmd.store.files import digest
from mtmd.train.optimizer import RATE, RowAdamW, learning_rate_factor, make_optimizer
from mtmd.train.results import (
    EpochRecord,
    FitResult,
    OnProgress,
    Progress,
    TrainingData,
    TrainingState,
    best_of,
    load_checkpoint,
    save_checkpoint,
)
from mtmd.train.step import (
    TrainingLoss,
    bernoulli_kl,
    choose_precision,
    deterministic,
    keep_freed_memory,
    task_sums,
    training_step,
)

TRAINING_FORMAT = 2  # raise it whenever the same window and configuration would give other weights
_REPORT_STEPS = 10  # a report costs a synchronisation; ten steps are well under ten seconds


def recipe_of(kind: str, preset: Preset) -> dict[str, Any]:
    """What decides a training's weights, besides its window and what it goes on from.

    Gates, names and settings of other kinds change no weight.
    """
    is_candidate = kind == preset.candidate
    return {
        "format": TRAINING_FORMAT,
        "kind": kind,
        "model": preset.model.recipe() if is_candidate else None,
        "rival": None if is_candidate else preset.rivals[kind].recipe(),
        "training": preset.training.recipe,
        "declarations": preset.declarations.model_dump(mode="json"),
        "torch": torch.__version__,
        "precision": choose_precision(preset.training),
        "device": choose_device(preset.training.device).type,  # a GPU has other bits
        **preset.extras.recipes(),
    }


class Opening:
    """How a training begins and ends, which an extra may change (seam `start`); here it begins with a new model.

    name   tells trainings apart that have different openings
    """

    name = ""

    def begin(self, model: RankingModel, optimizer: RowAdamW) -> None:
        """Change a new model that has its window's statistics, before the first step."""

    def end(self, model: RankingModel, optimizer: RowAdamW) -> None:
        """Keep something of the last step's weights and moments; called on the rank that writes."""


class OneRank:
    """How the ranks of a training work together, which an extra may change (seam `launcher`); here there is one."""

    rank, ranks = 0, 1

    def loss(self, loss: TrainingLoss) -> TrainingLoss:
        """The loss of a rank's part of a batch."""
        return loss

    def sum(self, values: Tensor) -> Tensor:
        """The sum over ranks."""
        return values

    def add_gradients(self, model: nn.Module, optimizer: RowAdamW) -> None:
        """Replace the gradients of a part of a batch by those of the whole batch."""

    def settle(self, model: nn.Module, optimizer: RowAdamW) -> None:
        """Give all ranks the same weights and moments, which may differ in a last bit."""


def fit(
    kind: str,
    data: TrainingData,
    preset: Preset,
    work: Path,
    on_progress: OnProgress | None = None,
    *,
    opening: Opening | None = None,
    ranks: OneRank | None = None,
) -> tuple[RankingModel, FitResult]:
    """Train a new model, or go on from the checkpoint in `work`: the best epoch's model on the CPU, and the record.

    A training that `work` has complete is not repeated. On several ranks the data has the part of this one.
    `on_progress` is called every few steps and after each epoch's checkpoint; what it raises ends the training, which
    can then go on from that checkpoint. Raises TrainingError on a loss or gradient that is not finite (kind, epoch,
    step, values and learning rate in the message), and for a checkpoint of another training.
    """
    keep_freed_memory()
    with deterministic():
        run = _Run(kind, data, preset, work, on_progress, opening or Opening(), ranks or OneRank())
        while len(run.state.epochs) < run.config.epochs:
            run.one_epoch()
        return run.result()


@dataclass(eq=False)
class _Run:
    """One training under way; everything that a checkpoint restores lives here."""

    kind: str
    data: TrainingData
    preset: Preset
    work: Path
    on_progress: OnProgress | None
    opening: Opening
    ranks: OneRank

    def __post_init__(self) -> None:
        self.config = self.preset.training_of(self.kind)
        self.tasks = self.preset.domains.task_names
        self.batch_requests = self.config.batch_requests
        self.steps = self.data.steps(self.batch_requests)
        self.precision = choose_precision(self.config)
        self.device = choose_device(self.config.device)
        self.model = build_model(self.kind, self.preset).to(self.device)
        self.optimizer = make_optimizer(self.model, self.config)
        rates = self.data.base_rates().to(self.device)
        tasks = self.preset.domains.tasks
        self.loss = self.ranks.loss(TrainingLoss.of(self.config, tasks, rates, self.model.parents))
        # A checkpoint of another training must not be gone on from; the base rates stand for the data.
        told = [self.steps, repr(rates.tolist()), self.opening.name]
        key = digest([recipe_of(self.kind, self.preset), *told])
        stored = load_checkpoint(self.work, key, self.model, self.optimizer)
        if stored is None:
            start(self.model, self.data, self.batch_requests)
            self.opening.begin(self.model, self.optimizer)
            stored = TrainingState(key=key), {}
        self.state, self.best = stored

    def one_epoch(self) -> None:
        """Train over the window once, validate, and write the checkpoint."""
        epoch, started = len(self.state.epochs) + 1, time.perf_counter()
        train_loss, rows = self._train(epoch, started)
        seconds = time.perf_counter() - started
        validation_loss, logmae = self._validate(epoch)
        record = EpochRecord(
            train_loss=train_loss, validation_loss=validation_loss, validation_logmae=logmae, seconds=seconds,
            rows=rows,
        )  # fmt: skip
        self.state = TrainingState(key=self.state.key, epochs=(*self.state.epochs, record))
        if self.ranks.rank == 0:
            self.best = save_checkpoint(self.work, self.state, self.model, self.optimizer, self.best)
        elif best_of(self.state.epochs) == epoch:
            self.best = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        self._report(epoch, epoch * self.steps, train_loss, validation_loss, rows / seconds)

    def result(self) -> tuple[RankingModel, FitResult]:
        """The best epoch's model, in evaluation mode, and the training's record."""
        self.optimizer.close()
        if self.ranks.rank == 0:
            self.opening.end(self.model, self.optimizer)
        if best_of(self.state.epochs) < len(self.state.epochs):
            self.model.load_state_dict(self.best)
        self.model.eval()
        size = sum(parameter.numel() for parameter in self.model.parameters())
        fit = FitResult(epochs=self.state.epochs, parameters=size, precision=self.precision)
        return self.model.cpu(), fit

    def _train(self, epoch: int, started: float) -> tuple[float, int]:
        """The mean loss of the epoch's steps, and the pairs trained on."""
        self.model.train()
        total, rows, done = 0.0, 0, (epoch - 1) * self.steps
        batches = on_device(self.data.epoch(epoch, self.batch_requests), self.device)
        kept = with_dropped_values(
            batches, self.preset.declarations, (self.config.seed, epoch, 1, self.ranks.rank)
        )
        for index, batch in enumerate(kept, start=1):
            total, rows = total + self._step(epoch, done + index - 1, batch), rows + len(batch.candidate)
            if index % _REPORT_STEPS == 0:
                self._report(epoch, done + index, total / index, None, rows / (time.perf_counter() - started))
        self.optimizer.settle()
        self.ranks.settle(self.model, self.optimizer)
        summed = self.ranks.sum(torch.tensor([total, rows], dtype=torch.float64, device=self.device))
        return float(summed[0]) / self.steps, round(float(summed[1]))

    def _step(self, epoch: int, step: int, batch: Batch) -> float:
        """The loss of the batch, after the update."""
        factor = learning_rate_factor(step, self.config.epochs * self.steps, self.config)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * factor * group[RATE]
        loss, norm = training_step(
            self.model,
            self.optimizer,
            batch,
            self.loss,
            self.precision,
            self.config.max_gradient_norm,
            lambda: self.ranks.add_gradients(self.model, self.optimizer),
        )
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise self._not_finite(
                f"loss {loss} with gradient norm {norm}", f"epoch {epoch}, step {step + 1}"
            )
        return loss

    def _not_finite(self, what: str, where: str) -> TrainingError:
        return TrainingError(
            f"{self.kind}: {what} in {where} (peak learning rate {self.config.learning_rate:.3g}, {self.precision}) "
            "must be finite; check the teacher scores, lower the learning rate or set "
            'training.precision = "float32"'
        )

    @torch.no_grad()
    def _validate(self, epoch: int) -> tuple[float, dict[str, float]]:
        """Weighted KL, and LogMAE of each task with scores, on the validation requests, in float32."""
        self.model.eval()
        sums = torch.zeros(3, len(self.tasks), dtype=torch.float64, device=self.device)
        for batch in on_device(self.data.validation(self.batch_requests), self.device):
            log_p, known = self.loss.conditional(self.model(batch), batch.teacher)
            kl, count = task_sums(bernoulli_kl(log_p, known), batch.teacher)
            error, _ = task_sums((log_p - known.log()).abs(), batch.teacher)
            sums += batch.weight * torch.stack([kl, error, count])
        kl, error, count = self.ranks.sum(sums)
        if not bool((count > 0).all()):
            raise TrainingError(
                f"the validation requests have {count.tolist()} scores or shown ads of the tasks {list(self.tasks)}; "
                f"each task needs some: raise training.validation_fraction ({self.config.validation_fraction})"
            )
        loss = float(self.loss.mean(kl, count))
        if not math.isfinite(loss):
            raise self._not_finite(f"validation loss {loss}", f"epoch {epoch}")
        errors = dict(zip(self.tasks, (error / count).tolist(), strict=True))
        return loss, {task: errors[task] for task in self.preset.domains.score_tasks}

    def _report(self, epoch: int, step: int, train: float, validation: float | None, speed: float) -> None:
        if self.on_progress is not None:
            epochs = self.config.epochs
            progress = Progress(
                epoch=epoch, epochs=epochs, step=step, steps=epochs * self.steps, train_loss=train,
                validation_loss=validation, rows_per_s=speed,
            )  # fmt: skip
            self.on_progress(progress)


def start(model: RankingModel, data: TrainingData, batch_requests: int) -> None:
    """Set the biases to the window's mean scores, and the statistics of features to those of its training requests.

    One pass over the batches of epoch 0, which training does not use. A row counts once in each batch that it is in.
    """
    device = device_of(model)
    model.initialise_bias(data.base_rates().to(device))
    for batch in on_device(data.epoch(0, batch_requests), device):
        model.observe(batch)
