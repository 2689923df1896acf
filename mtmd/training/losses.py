"""The training loss: Bernoulli KL(teacher ‖ student) per task, masked and weighted (paper §2.3).

Shapes: P pairs, T tasks.
"""

import torch
from torch import Tensor

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


def weighted_kl(log_p: Tensor, teacher: Tensor, weights: Tensor) -> Tensor:
    """Mean KL per task over the pairs that have it, weighted by `weights` (T,) and divided by their sum."""
    sums, counts = task_sums(bernoulli_kl(log_p, teacher), teacher)
    return (weights * sums / counts.clamp(min=1)).sum() / weights.sum()
