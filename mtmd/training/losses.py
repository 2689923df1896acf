"""The training loss: Bernoulli KL(teacher ‖ student) per task, masked and weighted (paper §2.3).

Deviation (`score_power`): pairs may be weighted against their score (docs/tuning.md has what it is worth).

Shapes: P pairs, T tasks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mtmd.config import TrainingConfig
from mtmd.model import log1mexp


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
    """Σ_t w_t · mean over pairs of KL · (s_t / teacher)^power / Σ_t w_t.

    A pair's KL grows with its score, so at power 0, the paper's loss, the pairs and domains with high scores decide
    alone; at 1 equal relative errors cost the same everywhere.

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
        return self.mean(*task_sums(self.rows(log_p, teacher), teacher))

    def rows(self, log_p: Tensor, teacher: Tensor) -> Tensor:
        """What each pair and task adds: (P, T), 0 where the teacher is NaN."""
        kl = bernoulli_kl(log_p, teacher)
        if self.power == 0.0:
            return kl
        # A score may be as small as float32 goes; what is a thousandth of the usual counts no more than that.
        relative = (teacher / self.scale).nan_to_num(nan=1.0).clamp(min=1e-3)
        return kl * relative.pow(-self.power)

    def mean(self, sums: Tensor, counts: Tensor) -> Tensor:
        """The loss from sums over the pairs that have each task, and their counts: (T,) each."""
        weights = self.task_weights.to(sums.dtype)
        return (weights * sums / counts.clamp(min=1)).sum() / weights.sum()
