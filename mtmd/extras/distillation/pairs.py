"""Pairs that were not logged, scored by a cross model: towers learn from them beside the logged ones.

Not in MTMD's paper. A dot product of two towers is cheap once the towers ran, so a batch's requests and ads make more
pairs than were logged at little cost. Nobody knows the ranker's score of such a pair; a cross model, trained on the
logged pairs, guesses it. Both models of a batch see the same day, and no request that is kept for validation.

Shapes: R requests, A ads, P logged pairs, X drawn pairs, T tasks.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from mtmd.model.batch import Batch
from mtmd.model.ranker import RankingModel
from mtmd.train.additions import Teaching
from mtmd.train.step import Precision, TrainingLoss, autocast


@dataclass(frozen=True)
class TaughtBatch(Batch):
    """A batch with pairs after its P logged ones that were drawn, and whose scores are a cross model's.

    They have a row in pair_query, pair_item, pair_domain and teacher, and none in candidate.
    """

    drawn: int = 0


@dataclass(frozen=True)
class TaughtLoss(TrainingLoss):
    """The loss of the logged pairs, and `distil` times that of the drawn ones."""

    distil: float = 0.0

    def of_batch(self, log_p: Tensor, batch: Batch) -> Tensor:
        """log_p (P + X, T)"""
        logged = len(batch.candidate)
        loss = self(log_p[:logged], batch.teacher[:logged])
        return (
            loss
            if len(log_p) == logged
            else loss + self.distil * self(log_p[logged:], batch.teacher[logged:])
        )


@dataclass(frozen=True, kw_only=True)
class Distillation(Teaching):
    """What a training is taught by besides its data.

    name    of the cross model: another one gives other weights
    cross   in evaluation mode                              tasks   (|domains|, T) bool: those that a domain has
    pairs   that are drawn for a request                    weight  of their loss
    """

    name: str
    cross: RankingModel
    tasks: Tensor
    pairs: int
    weight: float
    seed: int
    precision: Precision
    seconds: float = 0.0

    def loss(self, loss: TrainingLoss) -> TrainingLoss:
        """The same for the logged pairs, and that of drawn ones."""
        return TaughtLoss(**{f.name: getattr(loss, f.name) for f in fields(loss)}, distil=self.weight)

    def batches(self, batches: Iterable[Batch], epoch: int) -> Iterator[Batch]:
        """The batches of an epoch, with drawn pairs after the logged ones; seed and epoch decide which."""
        # another stream than rows and dropped values
        generator = np.random.default_rng([self.seed, epoch, 2])
        for batch in batches:
            yield self._with(batch, *drawn_pairs(batch, self.pairs, generator))

    @torch.no_grad()
    def _with(self, batch: Batch, query: Tensor, item: Tensor) -> TaughtBatch:
        surface, product = batch.query.domain, batch.item.domain
        domain = surface[query] * len(batch.item.counts) + product[item]
        own = {f.name: getattr(batch, f.name) for f in fields(Batch)}
        drawn = Batch(**own | {"pair_query": query, "pair_item": item, "pair_domain": domain})
        with autocast(self.precision, query.device):
            scores = self.cross(drawn).exp().masked_fill(~self.tasks.to(domain.device)[domain], torch.nan)
        added = {
            "pair_query": torch.cat([batch.pair_query, query]),
            "pair_item": torch.cat([batch.pair_item, item]),
            "pair_domain": torch.cat([batch.pair_domain, domain]),
            "teacher": torch.cat([batch.teacher, scores.to(batch.teacher.dtype)]),
        }
        return TaughtBatch(**own | added, drawn=len(query))


def drawn_pairs(batch: Batch, pairs: int, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Up to `pairs` pairs for each request that the batch does not have: rows of query and item, (X,) int64 each.

    For each of them a logged pair of the request's surface is drawn uniformly, and its ad is taken. So an ad is drawn
    as often as the surface has it, and a pair's domain is one that is served. A pair that the batch has, or that was
    drawn before, is left out.
    """
    surface = batch.query.domain  # (R,)
    of_pair = surface[batch.pair_query]
    by_surface = batch.pair_item[of_pair.argsort(stable=True)]  # (P,) ads, surface by surface
    counts = torch.bincount(of_pair, minlength=len(batch.query.counts))
    first = counts.cumsum(0) - counts
    chance = torch.as_tensor(generator.random((len(surface), pairs)), device=surface.device)
    place = first[surface][:, None] + (chance * counts[surface][:, None]).long()  # (R, pairs)
    ads = len(batch.item.continuous)
    codes = torch.unique(torch.arange(len(surface), device=surface.device)[:, None] * ads + by_surface[place])
    codes = codes[~torch.isin(codes, batch.pair_query * ads + batch.pair_item)]
    return codes // ads, codes % ads
