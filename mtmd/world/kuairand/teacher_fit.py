"""Fits one teacher, or the mean of several, on some rows and scores others."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mtmd.world.kuairand.mapping import Bools, Ints
from mtmd.world.kuairand.teacher_config import TeacherConfig
from mtmd.world.kuairand.teacher_inputs import TeacherInputs
from mtmd.world.kuairand.teacher_model import Teacher, conditional_loss

Logits = NDArray[np.float64]

_SCORING_ROWS = 1 << 16


class TeacherFits:
    """All rows as tensors; every fit names the rows that it may see. The same seed gives the same weights."""

    def __init__(self, inputs: TeacherInputs, labels: Bools, config: TeacherConfig) -> None:
        self._inputs = inputs
        self._config = config
        self._codes = torch.from_numpy(inputs.codes)
        self._static = torch.from_numpy(inputs.static)
        self._past = torch.from_numpy(inputs.past)
        self._labels = torch.from_numpy(labels.astype(np.float32))

    def best_epochs(self, rows: Ints, held: Ints, seed: int) -> int:
        """Epochs after which a teacher of `rows` has the least loss on `held`."""
        losses: list[float] = []
        target = self._labels[torch.from_numpy(held)]

        def measure(model: Teacher) -> None:
            losses.append(float(conditional_loss(self._logits(model, held).float(), target).sum()))

        self._fit(rows, self._config.max_epochs, seed, measure)
        return 1 + int(np.argmin(losses))

    def mean_logits(self, rows: Ints, scored: Ints, epochs: int, seeds: range) -> Logits:
        """(|scored|, 3) mean over teachers fitted on `rows`, one per seed."""
        total = np.zeros((len(scored), 3))
        for seed in seeds:
            total += self._logits(self._fit(rows, epochs, seed), scored).numpy()
        return total / len(seeds)

    def _fit(
        self, rows: Ints, epochs: int, seed: int, after_epoch: Callable[[Teacher], None] | None = None
    ) -> Teacher:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            inputs = self._inputs
            model = Teacher(
                inputs.sizes, inputs.ids, inputs.static.shape[1], inputs.past.shape[1], self._config
            )
            optimiser = torch.optim.AdamW(
                model.parameters(), lr=self._config.learning_rate, weight_decay=self._config.weight_decay
            )
            index = torch.from_numpy(rows)
            for _ in range(epochs):
                self._epoch(model, optimiser, index[torch.randperm(len(index))])
                if after_epoch is not None:
                    after_epoch(model)
        return model

    def _epoch(self, model: Teacher, optimiser: torch.optim.Optimizer, order: Tensor) -> None:
        model.train()
        size = self._config.batch_rows
        for start in range(0, max(len(order) - size, 0) + 1, size):  # rows of a last, smaller batch wait
            batch = order[start : start + size]
            logits = model(self._codes[batch], self._static[batch], self._past[batch])
            loss = conditional_loss(logits, self._labels[batch]).sum()
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()

    @torch.no_grad()
    def _logits(self, model: Teacher, rows: Ints) -> Tensor:
        """(|rows|, 3) float64."""
        model.eval()
        parts = [
            model(self._codes[part], self._static[part], self._past[part])
            for part in torch.split(torch.from_numpy(rows), _SCORING_ROWS)
        ]
        return torch.cat(parts).double()
