"""The training window: a list of day shards, its split into training and validation requests, and its batches.

Shapes: R requests, A ads, P pairs of a batch, T tasks.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import cached_property
from math import inf
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mtmd.config import Declarations, Domains, Task
from mtmd.errors import ConfigError, LogsError
from mtmd.extract.batches import gather_batch, scorable, split_evenly
from mtmd.extract.shards import Shard, ShardRef
from mtmd.model.batch import Batch
from mtmd.store.files import digest

_PIECE = 2**18  # candidates looked at at once
# Rows that a rate of actions in a domain is evened out with: one action among few rows is mostly chance.
_MEAN_ROWS = 20.0
_SAMPLE_SEED = 2**32  # no training seed's, so that the sample and the validation slice are independent
_FEWEST = 64  # requests of a surface in a batch of its own, where batches may be as large


class Share(NamedTuple):
    """Which rank of how many reads."""

    rank: int
    ranks: int


class WindowData:
    """Batches over the shards of a window, split by request into training and validation.

    Nothing of a day is held but the row numbers of its requests: memory does not grow with its candidates.
    """

    def __init__(
        self,
        shards: Sequence[Shard],
        declarations: Declarations,
        *,
        validation_fraction: float,
        seed: int,
        sample_fraction: float = 1.0,
        share: Share | None = None,
        training_only: bool = False,
        by_surface: bool = False,
        half_life_days: float = inf,
        targets: Callable[[Batch], Tensor] | None = None,
    ) -> None:
        """The shards are of these declarations. Raises ConfigError when a side of the split is empty.

        With `training_only` the days need no request for validation: it is another window's.
        With `by_surface` each training batch has requests of one surface, for models that share nothing between
        surfaces: its part of a mixed batch, but _FEWEST at least, so that a rare surface does not train row by row.

        `sample_fraction` of the requests outside validation are trained on, the same ones whatever the seed.
        With `share`, batches of validation and of epochs from 1 on have the requests of one rank only: every ranks-th
        of each batch, so that all ranks have about as many of each surface. A part may be empty.
        A day whose age is `half_life_days` weighs half as much as the newest one. `targets` gives what the pairs of a
        batch teach, (P, T), where that is not what the logs say; base rates are always those of the logs.
        """
        self.shards = tuple(shards)
        self.declarations = declarations
        self._fraction = validation_fraction
        self._sample = sample_fraction
        self._seed = seed
        self._share = share
        self._by_surface = by_surface
        self._half_life_days = half_life_days
        self._targets = targets
        held = sum(len(self._rows(shard, validation=True)) for shard in self.shards)
        requests = sum(len(self._rows(shard, validation=False)) for shard in self.shards)
        if not requests or not (held or training_only):
            sample = "" if sample_fraction == 1.0 else f" with sample_fraction {sample_fraction}"
            needed = "training needs" if training_only else "both need"
            raise ConfigError(
                f"validation_fraction {validation_fraction}{sample} splits the requests of {len(self.shards)} day(s) "
                f"into {requests} for training and {held} for validation; {needed} at least one"
            )

    def steps(self, batch_requests: int) -> int:
        """Batches of one training epoch."""
        trained = ((shard, self._rows(shard, validation=False)) for shard in self.shards)
        return sum(len(self._pieces(shard, rows, batch_requests)) for shard, rows in trained)

    def epoch(self, epoch: int, batch_requests: int) -> Iterator[Batch]:
        """Every training request once, shuffled by (seed, epoch); each batch comes from one day.

        Epoch 0, which statistics are taken from, is whole whatever the share.
        """
        random = np.random.default_rng([self._seed, epoch])
        batches: list[tuple[int, Tensor]] = []
        for day, shard in enumerate(self.shards):
            rows = self._rows(shard, validation=False)
            shuffled = rows[torch.from_numpy(random.permutation(len(rows)))].int()
            batches += [(day, piece) for piece in self._pieces(shard, shuffled, batch_requests)]
        for place in random.permutation(len(batches)):
            day, piece = batches[place]
            rows = piece.long().sort().values
            shard = self.shards[day]
            yield self._gathered(shard, rows) if epoch == 0 else self._own(shard, rows)

    def validation(self, batch_requests: int) -> Iterator[Batch]:
        """Every validation request once, oldest day first, in a fixed order."""
        for shard in self.shards:
            for rows in split_evenly(self._rows(shard, validation=True), batch_requests):
                yield self._own(shard, rows)

    def base_rates(self) -> Tensor:
        """(|domains|, T) float64: mean of what the training requests teach; NaN where there is none."""
        return self._base_rates

    def _pieces(self, shard: Shard, rows: Tensor, batch_requests: int) -> Sequence[Tensor]:
        """Training requests of a day, apart by batches."""
        if not self._by_surface:
            return split_evenly(rows, batch_requests)
        surface, fewest = shard.surface.index_select(0, rows), min(_FEWEST, batch_requests)
        groups = [rows[surface == place] for place in range(len(self.declarations.domains.surfaces))]
        sizes = [max(fewest, batch_requests * len(group) // max(1, len(rows))) for group in groups]
        return [
            piece for group, most in zip(groups, sizes, strict=True) for piece in split_evenly(group, most)
        ]

    def _own(self, shard: Shard, rows: Tensor) -> Batch:
        """The share's part of the batch of these requests."""
        if self._share is not None:
            rows = rows[self._share.rank :: self._share.ranks]
        return self._gathered(shard, rows)

    def _gathered(self, shard: Shard, rows: Tensor) -> Batch:
        """The batch of these requests with its day's weight, and without labels that are not final."""
        batch, newest = gather_batch(shard, rows, self.declarations), max(one.day for one in self.shards)
        weight = 0.5 ** ((newest - shard.day).days / self._half_life_days)
        young = immature(shard.day, newest, self.declarations.domains)
        teacher = batch.teacher if self._targets is None else self._targets(batch)
        return replace(batch, teacher=_without(teacher, young) if young else teacher, weight=weight)

    @cached_property
    def _base_rates(self) -> Tensor:
        return mean_targets(self.shards, self.declarations, self._trained)

    def _rows(self, shard: Shard, *, validation: bool) -> Tensor:
        rows = scorable(shard)
        wanted = self._held(shard) if validation else self._trained(shard)
        return rows[torch.from_numpy(wanted).index_select(0, rows)]

    def _trained(self, shard: Shard) -> NDArray[np.bool_]:
        """(R,): whether a request is trained on (paper §3.4: a sample by a hash is the same rows every time)."""
        kept = ~self._held(shard)
        if self._sample < 1.0:
            kept &= _mix(shard.request_id.numpy().view(np.uint64), _SAMPLE_SEED) < np.uint64(
                int(self._sample * 2.0**64)
            )
        return kept

    def _held(self, shard: Shard) -> NDArray[np.bool_]:
        """(R,): whether a request is kept for validation; decided by its id and the seed alone."""
        ids = shard.request_id.numpy().view(np.uint64)
        held: NDArray[np.bool_] = _mix(ids, self._seed) < np.uint64(int(self._fraction * 2.0**64))
        return held


def immature(day: date, last: date, domains: Domains) -> list[int]:
    """The tasks, by place, whose labels of a day are not final on the day after the window's last."""
    age = (last - day).days + 1
    return [place for place, task in enumerate(domains.tasks) if task.maturity > age]


def _without(teacher: Tensor, tasks: list[int]) -> Tensor:
    """(P, T) in which these tasks learn nothing."""
    return teacher.index_fill(1, torch.tensor(tasks, device=teacher.device), torch.nan)


def mean_targets(
    shards: Sequence[Shard],
    declarations: Declarations,
    trained: Callable[[Shard], NDArray[np.bool_]] | None = None,
) -> Tensor:
    """(|domains|, T) float64: mean of what each task learns from, NaN where there is none.

    trained  of the requests of a shard, which count; all where it is left out
    A task that learns from actions has a few mean rows in each domain, so no rate is 0. Raises LogsError where it has
    no action in the window.
    """
    domains, products = declarations.domains, len(declarations.domains.products)
    shape = (len(domains.domains), len(domains.tasks))
    totals, counts = torch.zeros(shape, dtype=torch.float64), torch.zeros(shape, dtype=torch.float64)
    for shard in shards:
        young = immature(shard.day, max(one.day for one in shards), domains)
        kept = None if trained is None else torch.from_numpy(trained(shard))
        # In pieces, so that memory does not grow with a day's candidates; added in the same order.
        for start in range(0, shard.candidates, _PIECE):
            piece = slice(start, start + _PIECE)
            request, ad = shard.request_row[piece], shard.ad_row[piece]
            domain = shard.surface.index_select(0, request).long() * products
            domain = domain + shard.product.index_select(0, ad).long()
            scores = _without(shard.teacher[piece], young) if young else shard.teacher[piece]
            if kept is not None:
                training = kept.index_select(0, request)
                domain, scores = domain[training], scores[training]
            known = (~scores.isnan()).double()
            totals.index_add_(0, domain, known * scores.nan_to_num(nan=0.0).double())
            counts.index_add_(0, domain, known)
    for place, task in enumerate(domains.tasks):
        if task.from_actions:
            _even_out(task, totals[:, place], counts[:, place])
    return totals / counts


def _even_out(task: Task, actions: Tensor, shown: Tensor) -> None:
    """Add to each domain that has the task _MEAN_ROWS rows with the rate of all, in place: (|domains|,) each."""
    if not actions.sum():
        raise LogsError(
            f"task {task.name!r} learns from actions, and the window has none: its label {task.label!r} is true in 0 "
            f"of {int(shown.sum())} rows of shown ads that are at least {task.maturity} days old",
            "correct impressed and the label, lower the task's maturity, or let it learn from scores",
        )
    actions += torch.where(shown > 0, _MEAN_ROWS * actions.sum() / shown.sum(), 0.0)
    shown += torch.where(shown > 0, _MEAN_ROWS, 0.0)


def window_fingerprint(refs: Sequence[ShardRef]) -> str:
    """Digest of the shards of a window; their order does not matter."""
    return days_fingerprint({ref.day: ref.fingerprint for ref in refs})


def days_fingerprint(shards: Mapping[date, str]) -> str:
    """The same digest from the fingerprint of each day's shard, extracted or not."""
    return digest(sorted([day.isoformat(), fingerprint] for day, fingerprint in shards.items()))


def _mix(values: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """splitmix64's finaliser of value + (seed + 1) · golden ratio: uniform over 64 bits."""
    mixed = values + np.uint64((seed + 1) * 0x9E3779B97F4A7C15 % 2**64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
