"""The training loss: Bernoulli KL(teacher ‖ student) per task, masked and weighted (paper §2.3).

Deviation (`score_power`): pairs may be weighted by their score (docs/tuning.md has what it is worth).

Shapes: P pairs, T tasks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mtmd.config import TrainingConfig
from mtmd.model import log1mexp

MOST = 1e3  # a pair whose score is a thousandth of the usual counts no more than that


def bernoulli_kl(log_p: Tensor, teacher: Tensor) -> Tensor:
    """KL(teacher ‖ student) of each pair and task, nats: (P, T), 0 where the teacher is NaN.

    KL = t·(ln t − ln p) + (1 − t)·(ln(1 − t) − ln(1 − p)), from ln p, so that a small p keeps its precision.
    The teacher's entropy is part of it, so a perfect student scores 0. At least float32, whatever comes in.
    """
    known = ~teacher.isnan()
    dtype = torch.promote_types(log_p.dtype, torch.float32)
    t = torch.where(known, teacher, 0.5).to(dtype)
    p = torch.where(known, log_p, -1.0).to(dtype)  # masked before log1mexp: NaN · 0 is NaN in its gradient
    entropy = torch.xlogy(t, t) + torch.xlogy(1.0 - t, 1.0 - t)
    cross = t * p + (1.0 - t) * log1mexp(p)
    return torch.where(known, entropy - cross, 0.0)


def task_sums(values: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """Sum over the pairs that have the task, and their count: (T,) each."""
    known = ~teacher.isnan()
    return torch.where(known, values, 0.0).sum(dim=0), known.sum(dim=0)


@dataclass(frozen=True)
class TrainingLoss:
    """Σ_t w_t · mean over pairs of KL · (s_t / p̂)^power / Σ_t w_t.

    A pair's KL grows with its probability, so at power 0, the paper's loss, pairs and domains with high scores decide
    nearly alone; at 1 equal relative errors cost about the same everywhere. The divisor is the model's own score, taken
    as a constant: it depends on the pair's features only, so the best prediction stays the teacher's mean. (Divided by
    the teacher's score it would be a lower one, and the model calibrated too low: docs/tuning.md.)

    task_weights  (T,) w        scale  (T,) s, a typical score of each task; it only sets the loss's size
    """

    task_weights: Tensor
    power: float
    scale: Tensor

    @classmethod
    def of(cls, config: TrainingConfig, tasks: Sequence[str], base_rates: Tensor) -> "TrainingLoss":
        """The configured loss; base_rates (|domains|, T), NaN where a domain lacks the task."""
        weights = torch.tensor([config.loss_weights[task] for task in tasks])
        return cls(weights, config.score_power, base_rates.nanmean(dim=0).float())

    def __call__(self, log_p: Tensor, teacher: Tensor) -> Tensor:
        """The loss of a batch: log_p and teacher (P, T)."""
        rows = bernoulli_kl(log_p, teacher)
        if self.power > 0.0:
            rows = rows * self._divided(log_p.detach())
        return self.mean(*task_sums(rows, teacher))

    def mean(self, sums: Tensor, counts: Tensor) -> Tensor:
        """Σ_t w_t sums_t / counts_t / Σ_t w_t, from sums over the pairs that have each task: (T,) each."""
        weights = self.task_weights.to(sums.dtype)
        return (weights * sums / counts.clamp(min=1)).sum() / weights.sum()

    def _divided(self, log_p: Tensor) -> Tensor:
        """(s / p̂)^power, at most MOST^power."""
        return (self.scale.log() - log_p).clamp(max=math.log(MOST)).mul(self.power).exp()
