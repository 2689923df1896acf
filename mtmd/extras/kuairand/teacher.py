"""The heavyweight teacher: a factorisation machine and an MLP over ids, attributes and earlier-day rates.

Unlike in two towers, all fields meet:

    e_f = embedding of field f;  pairs = ½ ((Σ e_f)² − Σ e_f²)
    logits = level + linear(codes) + MLP([e_1 … e_F, pairs, static, past])
    P(task) = σ(logit of the task) · P(parent of the task)

A logit is conditional on the task's parent, and is taught only where the parent happened.

Shapes: N rows, F coded fields, D embedding width, M static and H past numbers, T tasks.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from mtmd.extras.kuairand.rows import Floats, Ints, TeacherConfig, TeacherInputs, TeachingRows


class HeavyweightTeacher(nn.Module):
    """One conditional logit for each task and row."""

    def __init__(
        self,
        sizes: tuple[int, ...],
        ids: tuple[int, ...],
        static: int,
        past: int,
        level: Tensor,
        config: TeacherConfig,
    ) -> None:
        """sizes: codes of each of F fields; ids: fields that are hidden at times; static, past: M, H; level: (T,)."""
        super().__init__()
        self.starts: Tensor
        self.ids: Tensor
        self.level: Tensor
        tasks = len(level)
        self.register_buffer("starts", torch.tensor((0, *sizes[:-1])).cumsum(0))
        self.register_buffer("ids", torch.tensor(ids))
        self.register_buffer("level", level)
        self.id_dropout = config.id_dropout
        self.past_dropout = config.past_dropout
        self.embedding = nn.Embedding(sum(sizes), config.width)
        self.linear = nn.Embedding(sum(sizes), tasks)
        # Near zero, so that an id that was hardly seen says hardly anything.
        nn.init.normal_(self.embedding.weight, std=0.01)
        nn.init.zeros_(self.linear.weight)
        self.norm = nn.BatchNorm1d(static)
        joined = len(sizes) * config.width + config.width + static + past
        self.mlp = nn.Sequential(
            nn.Linear(joined, config.hidden),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, config.hidden // 2),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden // 2, tasks),
        )

    def forward(self, codes: Tensor, static: Tensor, past: Tensor) -> Tensor:
        """codes (N, F) int32, static (N, M), past (N, H) → (N, T) conditional logits."""
        if self.training:
            codes, past = self._hide(codes, past)
        rows = codes + self.starts
        fields = self.embedding(rows)  # (N, F, D)
        pairs = (fields.sum(1).square() - fields.square().sum(1)) / 2  # (N, D)
        joined = torch.cat([fields.flatten(1), pairs, self.norm(static), past], dim=1)  # (N, F·D + D + M + H)
        logits: Tensor = self.linear(rows).sum(1) + self.mlp(joined) + self.level
        return logits

    def _hide(self, codes: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Ids become unknown and pasts empty at random: new ids and early days then look familiar."""
        lost = torch.rand(len(codes), len(self.ids)) < self.id_dropout
        codes = codes.clone()
        codes[:, self.ids] = codes[:, self.ids].masked_fill(lost, 0)
        return codes, past * (torch.rand(len(past), 1) >= self.past_dropout)


def conditional_loss(logits: Tensor, labels: Tensor, teaches: Tensor) -> Tensor:
    """(T,) log loss per task, averaged over all rows; a task counts only in the rows that teach it: both (N, T)."""
    losses = nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")  # (N, T)
    return (losses * teaches).mean(0)


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
