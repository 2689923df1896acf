"""The heavyweight teacher: a factorisation machine and an MLP over ids, attributes and earlier-day rates.

Unlike in two towers, all fields meet:

    e_f = embedding of field f;  pairs = ½ ((Σ e_f)² − Σ e_f²)
    logits = level + linear(codes) + MLP([e_1 … e_F, pairs, static, past])
    P(task) = σ(logit of the task) · P(parent of the task)

A logit is conditional on the task's parent, and is taught only where the parent happened.

Shapes: N rows, F coded fields, D embedding width, M static and H past numbers, T tasks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from mtmd.extras.kuairand.rows import Floats, Ints, TeacherConfig, TeacherInputs, TeachingRows


class HeavyweightTeacher(nn.Module):
    """One conditional logit for each task and row."""

    def __init__(self, inputs: TeacherInputs, config: TeacherConfig) -> None:
        super().__init__()
        self.starts: Tensor
        self.ids: Tensor
        sizes, tasks = inputs.sizes, inputs.level.shape[1]
        self.register_buffer("starts", torch.tensor((0, *sizes[:-1])).cumsum(0))
        self.register_buffer("ids", torch.tensor(inputs.ids))
        self.id_dropout = config.id_dropout
        self.past_dropout = config.past_dropout
        self.embedding = nn.Embedding(sum(sizes), config.width)
        self.linear = nn.Embedding(sum(sizes), tasks)
        # Near zero, so that an id that was hardly seen says hardly anything.
        nn.init.normal_(self.embedding.weight, std=0.01)
        nn.init.zeros_(self.linear.weight)
        numbers = inputs.static.shape[1] + inputs.past.shape[1]
        joined = (len(sizes) + 1) * config.width + numbers
        self.mlp = nn.Sequential(
            nn.Linear(joined, config.hidden),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, config.hidden // 2),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden // 2, tasks),
        )

    def forward(self, codes: Tensor, static: Tensor, past: Tensor, level: Tensor) -> Tensor:
        """codes (N, F) int32, static (N, M), past (N, H), level (N, T) → (N, T) conditional logits."""
        if self.training:
            codes, past = self._hide(codes, past)
        rows = codes + self.starts
        fields = self.embedding(rows)  # (N, F, D)
        pairs = (fields.sum(1).square() - fields.square().sum(1)) / 2  # (N, D)
        joined = torch.cat([fields.flatten(1), pairs, static, past], dim=1)  # (N, F·D + D + M + H)
        logits: Tensor = self.linear(rows).sum(1) + self.mlp(joined) + level
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
_BATCHES, _SMALLEST_BATCH = 64, 32  # of a lesson with few rows, which must teach in more steps


@dataclass(frozen=True)
class Lesson:
    """One day of a teacher: rows that it scores, then rows that it learns from; either may be none.

    day  whole days since 1970-01-01     scored, taught  indices of rows
    """

    day: int
    scored: Ints
    taught: Ints


def day_logits(
    inputs: TeacherInputs, rows: TeachingRows, plan: Sequence[Lesson], config: TeacherConfig, seed: int
) -> Iterator[tuple[Ints, Floats]]:
    """The scored rows of each day, and their logits (|scored|, T) by one teacher that has had the lessons before.

    Nothing is scored before the first lesson. The same seed gives the same logits on one machine.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        member = _Member(inputs, rows, config)
        for lesson in plan:
            if len(lesson.scored):
                yield lesson.scored, member.logits(lesson.scored)
            if len(lesson.taught):
                member.learn(lesson.taught)


class _Member:
    """One teacher in training, which scores with the running mean of its weights; all rows as tensors."""

    def __init__(self, inputs: TeacherInputs, rows: TeachingRows, config: TeacherConfig) -> None:
        parts = inputs.codes, inputs.static, inputs.past, inputs.level
        self._inputs = tuple(torch.from_numpy(part) for part in parts)
        self._labels = torch.from_numpy(rows.labels.astype(np.float32))
        self._teaches = torch.from_numpy(rows.teaches.astype(np.float32))
        self._model = HeavyweightTeacher(inputs, config)
        self._mean = AveragedModel(self._model, avg_fn=self._average)
        self._least_share = 1.0 - config.averaging
        self._batch_rows = config.batch_rows
        self._optimiser = torch.optim.AdamW(
            self._model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )

    def _average(self, mean: Tensor, new: Tensor, steps: Tensor | int) -> Tensor:
        """The running mean; the first steps count more, so that little of the weights before them stays."""
        return mean + (new - mean) * max(self._least_share, 9.0 / (10.0 + float(steps)))

    def learn(self, rows: Ints) -> None:
        """One pass over these rows, in an order of chance; those of a last, smaller batch are left out."""
        self._model.train()
        order = torch.from_numpy(rows)[torch.randperm(len(rows))]
        size = min(self._batch_rows, max(_SMALLEST_BATCH, len(rows) // _BATCHES))
        for start in range(0, max(len(order) - size, 0) + 1, size):
            batch = order[start : start + size]
            losses = conditional_loss(
                self._scores(self._model, batch), self._labels[batch], self._teaches[batch]
            )
            self._optimiser.zero_grad()
            torch.autograd.backward(losses.sum())
            self._optimiser.step()
            self._mean.update_parameters(self._model)

    @torch.no_grad()
    def logits(self, rows: Ints) -> Floats:
        """(|rows|, T)"""
        self._mean.eval()
        parts = [
            self._scores(self._mean, part) for part in torch.split(torch.from_numpy(rows), _SCORING_ROWS)
        ]
        return np.asarray(torch.cat(parts).double().numpy())

    def _scores(self, model: nn.Module, rows: Tensor) -> Tensor:
        logits: Tensor = model(*(part[rows] for part in self._inputs))
        return logits
