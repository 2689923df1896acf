"""Train a peer as `mtmd.train` trains MTMD: the same batches, loss, schedule, clipping and epochs.

Values are dropped from training rows as they are for MTMD (`dropout`). Only the peak learning rate is the peer's own. A
peer trains for all epochs, without an early stop: on KuaiRand, models that see both sides have their highest validation
KL while the learning rate is high, and an early stop would end there. AdamW decays the weights of linear layers, as it
does MTMD's, and no embedding table; these learn at the preset's `embedding_rate` times the rate, as MTMD's do. Nothing
is resumed: a peer trains in minutes.
"""

import math
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.peers.features import Peer
from mtmd.config import Preset, TrainingConfig
from mtmd.errors import TrainingError
from mtmd.model.batch import Batch, with_dropped_values
from mtmd.train.optimizer import RATE, learning_rate_factor
from mtmd.train.results import TrainingData
from mtmd.train.step import Precision, TrainingLoss, bernoulli_kl, deterministic, task_sums, training_step

OnEpoch = Callable[[int, float, float], None]  # epoch from 1, validation KL, pairs per second


class PeerFit(NamedTuple):
    """A finished training; `validation_kl` is the best epoch's, whose weights are kept."""

    validation_kl: float
    best_epoch: int
    epochs: int
    rows_per_s: float  # pairs trained on per second of training, validation excluded


def fit_peer(
    model: Peer,
    data: TrainingData,
    preset: Preset,
    learning_rate: float,
    precision: Precision,
    on_epoch: OnEpoch | None = None,
) -> PeerFit:
    """Train `model` in place; it is left in evaluation mode with the best epoch's weights.

    Raises TrainingError on a loss, gradient or validation KL that is not finite.
    """
    config = preset.training
    run = _Run(model, data, preset, learning_rate, precision)
    best, best_epoch, best_weights = math.inf, 0, run.weights()
    rows, seconds = 0, 0.0
    with deterministic():
        model.initialise_bias(data.base_rates())
        for epoch in range(1, config.epochs + 1):
            started = time.perf_counter()
            rows += run.train(epoch)
            seconds += time.perf_counter() - started
            kl = validation_kl(model, data, preset)
            if not math.isfinite(kl):
                raise TrainingError(
                    f"{type(model).__name__}: validation KL {kl} after epoch {epoch} is not finite at learning rate "
                    f"{learning_rate:.3g}; lower it, or give the validation slice rows of every task"
                )
            if kl < best:
                best, best_epoch, best_weights = kl, epoch, run.weights()
            if on_epoch is not None:
                on_epoch(epoch, kl, rows / seconds)
    model.load_state_dict(best_weights)
    model.eval()
    return PeerFit(best, best_epoch, config.epochs, rows / seconds)


@torch.no_grad()
def validation_kl(model: Peer, data: TrainingData, preset: Preset) -> float:
    """The weighted KL on the validation requests, as MTMD's best epoch is chosen by it; NaN without a task's."""
    model.eval()
    loss = _loss(data, preset)
    totals, counts = torch.zeros(2, len(loss.task_weights), dtype=torch.float64)
    for batch in data.validation(preset.training.batch_requests):
        sums, count = task_sums(bernoulli_kl(model(batch), batch.teacher), batch.teacher)
        totals, counts = totals + sums, counts + count
    return float(loss.mean(totals, counts)) if bool((counts > 0).all()) else math.nan


def make_optimizer(model: nn.Module, config: TrainingConfig) -> torch.optim.AdamW:
    """MTMD's AdamW: the weights of linear layers decay, embedding tables have a rate of their own (see RATE)."""
    linear = [module.weight for module in model.modules() if isinstance(module, nn.Linear)]
    tables = [module.weight for module in model.modules() if isinstance(module, nn.Embedding)]
    taken = {id(weight) for weight in linear + tables}
    others = [parameter for parameter in model.parameters() if id(parameter) not in taken]
    groups = [
        {"params": linear, "weight_decay": config.weight_decay, RATE: 1.0},
        {"params": tables, "weight_decay": 0.0, RATE: config.embedding_rate},
        {"params": others, "weight_decay": 0.0, RATE: 1.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.99), fused=True)


def _loss(data: TrainingData, preset: Preset) -> TrainingLoss:
    return TrainingLoss.of(preset.training, preset.domains.tasks, data.base_rates())


class _Run:
    """One training under way."""

    def __init__(
        self, model: Peer, data: TrainingData, preset: Preset, learning_rate: float, precision: Precision
    ) -> None:
        self._model, self._data, self._config = model, data, preset.training
        self._declarations = preset.declarations
        self._peak, self._precision = learning_rate, precision
        self._least_rows = preset.model.norm_min_rows
        self._loss = _loss(data, preset)
        self._steps = data.steps(preset.training.batch_requests)
        self._optimizer = make_optimizer(model, preset.training)

    def train(self, epoch: int) -> int:
        """One epoch; returns the pairs trained on."""
        rows = 0
        batches = self._data.epoch(epoch, self._config.batch_requests)
        batches = with_dropped_values(batches, self._declarations, (self._config.seed, epoch, 1))
        for index, batch in enumerate(batches):
            self._step(epoch, (epoch - 1) * self._steps + index, batch)
            rows += len(batch.candidate)
        return rows

    def weights(self) -> dict[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self._model.state_dict().items()}

    def _step(self, epoch: int, step: int, batch: Batch) -> None:
        # BatchNorm takes its running statistics where the batch has too few rows for its own.
        fewest = min(len(batch.query.continuous), len(batch.item.continuous))
        self._model.train(fewest >= self._least_rows)
        rate = self._peak * learning_rate_factor(step, self._config.epochs * self._steps, self._config)
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group[RATE]
        loss, norm = training_step(
            self._model,
            self._optimizer,
            batch,
            self._loss,
            self._precision,
            self._config.max_gradient_norm,
        )
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise TrainingError(
                f"{type(self._model).__name__}: loss {loss} with gradient norm {norm} in epoch {epoch}, step "
                f"{step + 1} at learning rate {rate:.3g} is not finite; lower its --learning-rate"
            )
