"""What each day's scores are expected to be on the day after the window.

A heavyweight ranker that learns from a day moves towards what people did on it. So a day's scores move by
`forecast_step` times the day's *difference* between actions and scores, and those of all later days of the window.

The difference of a domain and task is Σ (y − q) / (Σ q (1 − q) + PRIOR) over shown ads: the shift of log-odds that
brings the scores q to the actions y, by one step of Newton's. Where a task has a parent, only ads count on which that
happened, and q is the score given the parent. PRIOR draws the day's difference over all domains towards 0, and each
domain's towards that.

Shapes: P pairs, D domains, T tasks.
"""

from collections.abc import Sequence
from datetime import date

import torch
from torch import Tensor

from mtmd.config import Domains
from mtmd.extract.shards import Shard
from mtmd.extract.window import immature
from mtmd.model.batch import Batch

PRIOR = 60.0  # as of 250 shown ads at a rate of 0.4, or 3,000 at one of 0.02
_MOST = 1.0  # of a difference: rare actions of few rows must not move a day further
_SURE = 1e-6  # a score this near to 0 or 1 has no log-odds of use
_PIECE = 2**18  # candidates looked at at once


class Moved:
    """What the pairs of a batch of a day of the window teach, (P, T): scores, moved; what is no score stays."""

    def __init__(self, shards: Sequence[Shard], domains: Domains, step: float) -> None:
        self._tasks = _score_tasks(domains)
        self._shifts: dict[date, Tensor] = {}  # (D, T) each
        shift: Tensor | float = 0.0
        newest = max(shard.day for shard in shards)
        for shard in sorted(shards, key=lambda one: one.day, reverse=True):
            shift = shift + step * _difference(shard, domains, immature(shard.day, newest, domains))
            self._shifts[shard.day] = shift.float()

    def __call__(self, day: date, batch: Batch) -> Tensor:
        shift, moved = self._shifts[day][batch.pair_domain], list(batch.teacher.unbind(1))
        for task, parent in self._tasks.items():
            rate = (_given(batch.teacher, task, parent).logit(_SURE) + shift[:, task]).sigmoid()
            moved[task] = rate if parent is None else rate * moved[parent]
        return torch.stack(moved, dim=1)


targets = Moved  # the seam


def _score_tasks(domains: Domains) -> dict[int, int | None]:
    """The tasks that learn from scores, by place, and the parent of each, where that learns from them too."""
    scored = [place for place, task in enumerate(domains.tasks) if not task.from_actions]
    return {place: parent if (parent := domains.parents[place]) in scored else None for place in scored}


def _given(scores: Tensor, task: int, parent: int | None) -> Tensor:
    """(P,): the scores (P, T) of a task, given its parent."""
    return scores[:, task] if parent is None else scores[:, task] / scores[:, parent]


def _difference(shard: Shard, domains: Domains, young: Sequence[int]) -> Tensor:
    """(D, T) float64: what the actions of a day say about its scores; 0 of tasks whose labels are not final."""
    apart, known = torch.zeros(2, len(domains.domains), len(domains.tasks), dtype=torch.float64)
    for start in range(0, shard.candidates, _PIECE):
        piece = slice(start, start + _PIECE)
        surface = shard.surface.index_select(0, shard.request_row[piece]).long()
        domain = surface * len(domains.products) + shard.product.index_select(0, shard.ad_row[piece]).long()
        scores, labels, shown = shard.teacher[piece], shard.labels[piece], shard.impressed[piece] == 1
        for task, parent in _score_tasks(domains).items():
            rate = _given(scores, task, parent)
            counts = shown & (labels[:, task] >= 0) & ~rate.isnan()
            if parent is not None:
                counts &= labels[:, parent] == 1
            q = rate[counts].double().clamp(_SURE, 1.0 - _SURE)
            apart[:, task].index_add_(0, domain[counts], labels[counts, task] - q)
            known[:, task].index_add_(0, domain[counts], q * (1.0 - q))
    everywhere = apart.sum(dim=0) / (known.sum(dim=0) + PRIOR)
    difference: Tensor = ((apart + PRIOR * everywhere) / (known + PRIOR)).clamp(-_MOST, _MOST)
    difference[:, list(young)] = 0.0
    return difference
