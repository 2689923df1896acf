"""What scores are expected to be on the day after the window.

A heavyweight ranker that learns from a day moves towards what people did on it. So all scores of a window move by
`forecast_step` times the *difference* between actions and scores on its newest day.

The difference of a domain and task is Σ (y − q) / (Σ q (1 − q) + PRIOR) over shown ads: about the shift of log-odds
that brings the scores q to the actions y, by one step of Newton's. Where a task has a parent, only ads count on which
that happened, and q is the score given the parent. PRIOR draws the difference over all domains towards 0, and each
domain's towards that.

Shapes: P pairs, D domains, T tasks.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from mtmd.config import Domains
from mtmd.extract.shards import Shard
from mtmd.model.batch import Batch

PRIOR = 60.0  # as of 250 shown ads at a rate of 0.4, or 3,000 at one of 0.02
_MOST = 1.0  # of a difference: a factor of e for a rare action
_NEAREST = 1e-6  # to 1 that a score has log-odds of use
_PIECE = 2**18  # candidates looked at at once


class Moved:
    """What the pairs of a batch of the window teach, (P, T): moved scores, and actions as they are."""

    def __init__(self, shards: Sequence[Shard], domains: Domains, step: float) -> None:
        self._tasks = _score_tasks(domains)
        newest = max(shards, key=lambda shard: shard.day)
        self.shift = (step * _difference(newest, domains)).float()

    def __call__(self, batch: Batch) -> Tensor:
        shift, moved = self.shift[batch.pair_domain], list(batch.teacher.unbind(1))
        for task, parent in self._tasks.items():
            given = _given(batch.teacher, task, parent).clamp(max=1.0 - _NEAREST)
            rate = (given.logit() + shift[:, task]).sigmoid()
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


def _difference(shard: Shard, domains: Domains) -> Tensor:
    """(D, T) float64: what the actions of a day say about its scores."""
    apart, known = torch.zeros(2, len(domains.domains), len(domains.tasks), dtype=torch.float64)
    for start in range(0, shard.candidates, _PIECE):
        piece = slice(start, start + _PIECE)
        surface = shard.surface.index_select(0, shard.request_row[piece]).long()
        domain = surface * len(domains.products) + shard.product.index_select(0, shard.ad_row[piece]).long()
        scores, labels = shard.teacher[piece], shard.labels[piece]
        for task, parent in _score_tasks(domains).items():
            rate = _given(scores, task, parent)
            counts = (labels[:, task] >= 0) & ~rate.isnan()  # observed, so shown
            if parent is not None:
                counts &= labels[:, parent] == 1
            q = rate[counts].double().clamp(max=1.0)
            apart[:, task].index_add_(0, domain[counts], labels[counts, task] - q)
            known[:, task].index_add_(0, domain[counts], q * (1.0 - q))
    everywhere = apart.sum(dim=0) / (known.sum(dim=0) + PRIOR)
    difference: Tensor = ((apart + PRIOR * everywhere) / (known + PRIOR)).clamp(-_MOST, _MOST)
    return difference
