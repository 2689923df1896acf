"""A batch as the peers read it: named columns of ids, and one vector of standardised numbers per side.

The same rows and features as MTMD's. What MTMD learns per domain the peers get as ids: the surface and the product are
two more categorical columns. A missing number is the mean, which is 0 after standardisation; a missing category is id
0, as in our shards. A value that the window seldom has (`min_count`) is read as missing, in lists too. A list is pooled
before a library sees it, since each library has lists of its own kind: its embedding, 0 where it is missing, is learned
as the networks are, and lies beside the numbers. Its table is its own.

Shapes: N rows of one side, P pairs, C continuous features and V vector components of one side, T tasks.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mtmd.config import Declarations, SideSchema
from mtmd.extract.window import WindowData
from mtmd.features import Feature
from mtmd.model.batch import Batch, SideInput
from mtmd.model.fields import EMBEDDING_STD, Admission, FieldLayout
from mtmd.model.layers import CLIP, ListPooling
from mtmd.model.ranker import RankingModel, conditional_logits

Columns = dict[str, Tensor]

_CONSTANT = 1e-12  # variance of a column that says nothing; it is read as 0


class Moments(NamedTuple):
    """Mean and standard deviation of each number of one side: (C + V,) float32; 0 where a column has no value.

    seen   how often each id of a feature with a `min_count` was, as Admissions has them
    """

    mean: Tensor
    deviation: Tensor
    seen: tuple[Tensor, ...]


class WindowMoments(NamedTuple):
    """Those of both sides, over the training requests of a window and the ads shown with them."""

    query: Moments
    item: Moments


def window_moments(data: WindowData, batch_requests: int) -> WindowMoments:
    """Of the window's training batches; a row counts once in each batch that it is in, and an ad's ids in each pair."""

    def batches() -> Iterator[Batch]:
        return data.epoch(0, batch_requests)  # training counts epochs from 1

    query, item = data.declarations.query, data.declarations.item
    return WindowMoments(
        _moments(((batch.query, _once(batch.query)) for batch in batches()), query),
        _moments(((batch.item, batch.candidates_of_ads()) for batch in batches()), item),
    )


def _once(side: SideInput) -> Tensor:
    """How often the ids of each row count: (N,)."""
    return torch.ones(len(side.continuous), dtype=torch.long)


def _moments(rows: Iterable[tuple[SideInput, Tensor]], schema: SideSchema) -> Moments:
    """Of rows, each with how often its ids count: (N,)."""
    admissions = Admissions(schema)
    sums = torch.zeros(3, 1, dtype=torch.float64)  # count, sum, sum of squares: (3, C + V)
    for side, times in rows:
        admissions.observe(side, times)
        numbers = _numbers(side).double()
        known = ~numbers.isnan()
        filled = numbers.nan_to_num(nan=0.0)
        sums = sums + torch.stack([known.sum(dim=0), filled.sum(dim=0), filled.square().sum(dim=0)])
    count, total, squares = sums
    mean = total / count.clamp(min=1)
    variance = (squares / count.clamp(min=1) - mean.square()).clamp(min=0)
    deviation = torch.where(variance > _CONSTANT, variance, 0.0).sqrt()
    return Moments(mean.float(), deviation.float(), tuple(one.seen for one in admissions))


def _numbers(side: SideInput) -> Tensor:
    """(N, C + V) float32, NaN = missing"""
    return torch.cat([side.continuous, side.embedding], dim=1)


class Admissions(nn.Module):
    """Which ids of one side are read as missing: those that the window seldom has, of features with a `min_count`.

    As MTMD and the pooled two-tower read them, but each feature by itself, also where some share a table.
    """

    def __init__(self, schema: SideSchema) -> None:
        super().__init__()
        self._categories, self._lists = _with_a_least(schema.categorical), _with_a_least(schema.lists)
        asking = [schema.categorical[place] for place in self._categories]
        asking += [schema.lists[place] for place in self._lists]
        self._each = nn.ModuleList(Admission([f], [0], f.buckets + 1) for f in asking)

    def __iter__(self) -> Iterator[Admission]:
        return iter(self._each)  # type: ignore[arg-type]  # nn.ModuleList has no types

    def observe(self, side: SideInput, times: Tensor) -> None:
        """Count the ids of training rows, those of a row `times` (N,) as often."""
        counts = [times for _ in self._categories]
        counts += [times.repeat_interleave(side.lists[place].lengths) for place in self._lists]
        for one, ids, count in zip(self, self._ids(side), counts, strict=True):
            one.observe(ids, count)

    def forward(self, side: SideInput) -> SideInput:
        """The same rows, categories that are not admitted 0, and lists without values that are not."""
        if not self._each:
            return side
        admitted = [one(ids)[:, 0] for one, ids in zip(self, self._ids(side), strict=True)]
        categorical, lists = side.categorical.clone(), list(side.lists)
        for column in self._categories:
            categorical[:, column] = admitted.pop(0)
        for place in self._lists:
            lists[place] = lists[place].only(admitted.pop(0) > 0)
        return replace(side, categorical=categorical, lists=tuple(lists))

    def _ids(self, side: SideInput) -> list[Tensor]:
        """Of each such feature, (N, 1) or (L, 1)."""
        ids = [side.categorical[:, column] for column in self._categories]
        return [one[:, None] for one in (*ids, *(side.lists[place].ids for place in self._lists))]


def _with_a_least(features: Sequence[Feature]) -> list[int]:
    return [place for place, feature in enumerate(features) if feature.min_count is not None]


class SideColumns(nn.Module):
    """One side's rows as columns: ids (N,) int64 under the names in `sizes`, and the numbers (N, width).

    These are the numbers, clipped as MTMD's are, and the lists.
    """

    mean: Tensor
    inverse: Tensor
    plain: Tensor

    def __init__(self, schema: SideSchema, moments: Moments) -> None:
        super().__init__()
        self._categorical = [f"{schema.side}_{feature.name}" for feature in schema.categorical]
        self._domain = "surface" if schema.side == "query" else "product"
        buckets = [feature.buckets for feature in schema.categorical]
        self.sizes = dict(zip(self._categorical, (b + 1 for b in buckets), strict=True))  # with 0 = missing
        self.sizes[self._domain] = len(schema.domains)
        self.numbers = f"{schema.side}_numbers"
        self.admissions = Admissions(schema)
        for one, seen in zip(self.admissions, moments.seen, strict=True):
            one.seen.copy_(seen)
        self.pooling = nn.ModuleList(ListPooling(feature) for feature in schema.lists)
        self.tables = nn.ModuleList(nn.Embedding(f.buckets + 1, f.width) for f in schema.lists)
        for table in self.tables:
            nn.init.normal_(table.weight, std=EMBEDDING_STD)
        layout = FieldLayout(schema)
        self.width = layout.numeric_width + sum(f.width for f in schema.lists)
        self.register_buffer("plain", torch.tensor(layout.numeric_columns, dtype=torch.long))
        self.register_buffer("mean", moments.mean[self.plain])
        deviation = moments.deviation[self.plain]
        self.register_buffer("inverse", torch.where(deviation > 0, 1.0 / deviation, 0.0))

    def forward(self, side: SideInput) -> Columns:
        """N rows sorted by domain → their columns; no NaN is left."""
        side = self.admissions(side)
        columns = dict(zip(self._categorical, side.categorical.unbind(dim=1), strict=True))
        counts = torch.tensor(side.counts, device=side.continuous.device)
        columns[self._domain] = torch.repeat_interleave(counts)  # (N,)
        if self.width:
            plain = (_numbers(side)[:, self.plain] - self.mean) * self.inverse
            numbers = plain.clamp(-CLIP, CLIP).nan_to_num(nan=0.0)
            columns[self.numbers] = torch.cat([numbers, *self._pooled(side)], dim=1)
        return columns

    def _pooled(self, side: SideInput) -> Iterator[Tensor]:
        """Each list's (N, w)."""
        for table, pooling, lists in zip(self.tables, self.pooling, side.lists, strict=True):
            yield pooling(table.get_parameter("weight"), lists.ids[None], lists, sparse=False)[0]


class PairColumns(nn.Module):
    """Columns of both sides, and those of every pair; `embedding` is the width of an id's embedding.

    It is one width for all, the widest declared.
    """

    def __init__(self, declarations: Declarations, moments: WindowMoments) -> None:
        super().__init__()
        self.query = SideColumns(declarations.query, moments.query)
        self.item = SideColumns(declarations.item, moments.item)
        self.embedding = max(f.width for f in declarations.features if f.kind == "categorical")

    @property
    def sides(self) -> tuple[SideColumns, SideColumns]:
        return self.query, self.item

    def forward(self, batch: Batch) -> Columns:
        """The batch's P pairs, flat: each id (P,), the numbers of either side (P, width)."""
        query = {name: column[batch.pair_query] for name, column in self.query(batch.query).items()}
        item = {name: column[batch.pair_item] for name, column in self.item(batch.item).items()}
        return query | item


class Peer(RankingModel):
    """A peer's network behind our interface; task by task, without MTMD's task tree."""


def mean_logits(base_rates: Tensor) -> Tensor:
    """(|domains|, T) mean teacher scores, NaN where there are none → (T,) logits for the peers' output biases."""
    logits = conditional_logits(base_rates, [None] * base_rates.shape[1])
    return logits.nanmean(dim=0).nan_to_num(nan=0.0)
