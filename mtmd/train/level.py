"""Move a trained model's level to the newest days: the window's average is behind a teacher that drifts.

Only biases move. Within a level the order of a root task's scores stays; a child's is a product with its parent's and
may shift, and so may the order of ads whose products have levels of their own. Every model of the daily job takes the
same step.
"""

import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from mtmd.model.batch import Batch
from mtmd.model.device import device_of
from mtmd.model.ranker import RankingModel

PRIOR_ROWS = 50  # rows for no move at all: what a handful of rows say of a level is mostly their noise
_STEPS, _NEAR, _FAR = 10, 1e-4, 2.0  # Newton's method: at most so many steps, until one is small, none longer
_MOST = math.log(0.99)  # a teacher that was fitted task by task may score a child above its parent


@torch.no_grad()
def move_level(model: RankingModel, newest: Callable[[], Iterable[Batch]]) -> Tensor:
    """Shift the biases until the mean log-score of each level is the teacher's; returns the shifts, in logits.

    A level is what has a bias of its own: a row of `model.level_of`, and a task. Each conditional probability of the
    task tree is fitted by itself: mean log P(task | parent) of the teacher and of the model over the pairs that have
    both. (levels, T) float64; a level without pairs stays where it is. `newest` is
    gone through several times.
    """
    total = torch.zeros(model.levels, len(model.parents), dtype=torch.float64, device=device_of(model))
    for _ in range(_STEPS):
        lack, slope, pairs = _sums(model, newest(), total)
        step = torch.where(pairs > 0, lack / slope, 0.0).clamp(-_FAR, _FAR)
        model.shift_level(step.float())
        total += step
        if float(step.abs().max()) < _NEAR:
            break
    kept = total * pairs / (pairs + PRIOR_ROWS)
    model.shift_level((kept - total).float())
    return kept


def _sums(model: RankingModel, batches: Iterable[Batch], like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Per level and task, float64: what the log-scores lack, their slope in the bias, the number of pairs."""
    lack, slope, pairs = (torch.zeros_like(like) for _ in range(3))
    for batch in batches:
        level = model.level_of(batch.pair_domain)
        log_p = _conditional(model(batch).double(), model.parents)
        wanted = _conditional(batch.teacher.double().log(), model.parents).clamp(max=_MOST)
        known = wanted.isfinite()
        lack.index_add_(0, level, torch.where(known, wanted - log_p, 0.0))
        slope.index_add_(0, level, torch.where(known, 1.0 - log_p.exp(), 0.0))
        pairs.index_add_(0, level, known.double())
    return lack, slope, pairs


def _conditional(joint: Tensor, parents: Sequence[int | None]) -> Tensor:
    """Log P(task | its parent) from log P(task): (P, T) to the same."""
    columns = [joint[:, t] if p is None else joint[:, t] - joint[:, p] for t, p in enumerate(parents)]
    return torch.stack(columns, dim=1)
