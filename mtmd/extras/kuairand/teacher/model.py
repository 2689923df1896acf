"""The heavyweight teacher: a factorisation machine and an MLP over ids, attributes and earlier-day rates.

Unlike in two towers, all fields meet:

    e_f = embedding of field f;  pairs = ½ ((Σ e_f)² − Σ e_f²)
    logits = level + linear(codes) + MLP([e_1 … e_F, pairs, static, past])
    P(task) = σ(logit of the task) · P(parent of the task)

A logit is conditional on the task's parent, and is taught only where the parent happened.

Shapes: N rows, F coded fields, D embedding width, M static and H past numbers, T tasks.
"""

import torch
from torch import Tensor, nn

from mtmd.extras.kuairand.teacher.rows import TeacherConfig


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
