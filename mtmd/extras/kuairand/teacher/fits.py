"""Fits teachers on some rows and scores others with them."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from mtmd.extras.kuairand.teacher.model import HeavyweightTeacher, conditional_loss
from mtmd.extras.kuairand.teacher.rows import Floats, Ints, TeacherConfig, TeacherInputs, TeachingRows

_SCORING_ROWS = 1 << 16


class TeacherFits:
    """All rows as tensors; every fit names the rows that it may see. The same seed gives the same weights."""

    def __init__(self, inputs: TeacherInputs, teaching: TeachingRows, config: TeacherConfig) -> None:
        self._inputs = inputs
        self._config = config
        self._codes = torch.from_numpy(inputs.codes)
        self._static = torch.from_numpy(inputs.static)
        self._past = torch.from_numpy(inputs.past)
        self._labels = torch.from_numpy(teaching.labels.astype(np.float32))
        self._teaches = torch.from_numpy(teaching.teaches.astype(np.float32))

    def best_epochs(self, rows: Ints, held: Ints, seed: int) -> int:
        """Epochs after which a teacher of `rows` has the least loss on `held`."""
        index = torch.from_numpy(held)
        labels, teaches = self._labels[index], self._teaches[index]
        losses = [
            float(conditional_loss(self._logits(model, held).float(), labels, teaches).sum())
            for model in self._fitted(rows, self._config.max_epochs, seed)
        ]
        return 1 + int(np.argmin(losses))

    def mean_logits(self, rows: Ints, scored: Ints, epochs: int, seeds: range) -> Floats:
        """(|scored|, T) mean over teachers fitted on `rows`, one per seed."""
        total = np.zeros((len(scored), self._labels.shape[1]))
        for seed in seeds:
            *_, model = self._fitted(rows, epochs, seed)
            total += self._logits(model, scored).numpy()
        return total / len(seeds)

    def _fitted(self, rows: Ints, epochs: int, seed: int) -> Iterator[HeavyweightTeacher]:
        """One teacher, after each epoch."""
        config, inputs, index = self._config, self._inputs, torch.from_numpy(rows)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            widths = inputs.static.shape[1], inputs.past.shape[1]
            model = HeavyweightTeacher(inputs.sizes, inputs.ids, *widths, self._level(index), config)
            optimiser = torch.optim.AdamW(
                model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
            )
            for _ in range(epochs):
                self._epoch(model, optimiser, index[torch.randperm(len(index))])
                yield model

    def _level(self, rows: Tensor) -> Tensor:
        """(T,) log-odds of each task's rate among the rows that teach it, or zeros."""
        labels, teaches = self._labels[rows].double(), self._teaches[rows].double()
        if not self._config.start_at_rates:
            return torch.zeros(labels.shape[1])
        hits, trials = (labels * teaches).sum(0), teaches.sum(0)
        return torch.logit((hits + 0.5) / (trials + 1.0)).float()

    def _epoch(self, model: HeavyweightTeacher, optimiser: torch.optim.Optimizer, order: Tensor) -> None:
        model.train()
        size = self._config.batch_for(len(order))
        for start in range(0, max(len(order) - size, 0) + 1, size):  # rows of a last, smaller batch wait
            batch = order[start : start + size]
            loss = conditional_loss(
                self._scores(model, batch), self._labels[batch], self._teaches[batch]
            ).sum()
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()

    @torch.no_grad()
    def _logits(self, model: HeavyweightTeacher, rows: Ints) -> Tensor:
        """(|rows|, T) float64."""
        model.eval()
        parts = [self._scores(model, part) for part in torch.split(torch.from_numpy(rows), _SCORING_ROWS)]
        return torch.cat(parts).double()

    def _scores(self, model: HeavyweightTeacher, rows: Tensor) -> Tensor:
        logits: Tensor = model(self._codes[rows], self._static[rows], self._past[rows])
        return logits
