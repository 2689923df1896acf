"""The input of a model: a batch, as `mtmd.extract.window` gathers it; and its way to the model's device.

`dropout` teaches the model what a value that is read as missing means, on rows where it would be known; it also keeps
the model from leaning on ids (after Volkovs, Yu and Poutanen, DropoutNet, NeurIPS 2017; here feature by feature).

Shapes: R distinct requests, A distinct ads, P (request, ad) pairs, T tasks;
C continuous, K categorical features and V vector components of one side; L values of all lists of a feature.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from mtmd.config import Declarations, SideSchema
from mtmd.features.feature import EncodedList
from mtmd.logs.encoding import EncodedSide

AHEAD = 2  # batches that wait for a GPU


@dataclass(frozen=True)
class ListInput:
    """The lists of one feature in N rows: the values of row after row; an empty list is missing.

    ids      (L,) int64, 1..buckets = hashed value
    lengths  (N,) int64, values of each row; they sum to L
    """

    ids: Tensor
    lengths: Tensor

    @classmethod
    def of(cls, lists: EncodedList) -> Self:
        """All rows, whose values must lie row after row, as `take` leaves them."""
        return cls(torch.from_numpy(lists.ids).long(), torch.from_numpy(lists.length).long())

    def only(self, kept: Tensor) -> "ListInput":
        """The same rows with some of their values, (L,) bool."""
        row = torch.repeat_interleave(self.lengths)
        lengths = torch.zeros_like(self.lengths).index_add_(0, row, kept.long())
        return ListInput(self.ids[kept], lengths)

    def take(self, rows: Tensor) -> "ListInput":
        """Some rows (N',), in the given order."""
        lengths = self.lengths[rows]
        starts = (self.lengths.cumsum(0) - self.lengths)[rows]
        row = torch.repeat_interleave(lengths)
        places = torch.arange(len(row), device=row.device) + (starts - (lengths.cumsum(0) - lengths))[row]
        return ListInput(self.ids[places], lengths)


@dataclass(frozen=True)
class SideInput:
    """Rows of one tower, sorted by domain (surface on the query side, product on the item side).

    continuous   (N, C) float32, NaN = missing
    categorical  (N, K) int64, 0 = missing, 1..buckets = hashed value
    embedding    (N, V) float32, NaN = missing
    counts       rows of each domain, in index order; they sum to N
    lists        of each multi-valued feature, the lists of N rows
    """

    continuous: Tensor
    categorical: Tensor
    embedding: Tensor
    counts: tuple[int, ...]
    lists: tuple[ListInput, ...] = ()

    @classmethod
    def of(cls, side: EncodedSide, counts: tuple[int, ...], rows: Tensor | None = None) -> Self:
        """Some rows, or all of them, which are sorted by domain."""
        rows = torch.arange(len(side)) if rows is None else rows
        return cls(
            continuous=torch.from_numpy(side.continuous).index_select(0, rows),
            categorical=torch.from_numpy(side.categorical).index_select(0, rows).long(),
            embedding=torch.from_numpy(side.embedding).index_select(0, rows),
            counts=counts,
            lists=tuple(ListInput.of(lists.take(rows.numpy())) for lists in side.lists),
        )

    @property
    def numbers(self) -> Tensor:
        """(N, C + V) float32, NaN = missing"""
        return torch.cat([self.continuous, self.embedding], dim=1)

    @property
    def domain(self) -> Tensor:
        """(N,) int64: that of each row."""
        device = self.continuous.device
        counts = torch.tensor(self.counts, device=device)
        every = torch.arange(len(counts), device=device)
        return every.repeat_interleave(counts, output_size=sum(self.counts))

    @property
    def one_hot(self) -> Tensor:
        """(N, |domains|) float32: 1 in the column of a row's domain."""
        return torch.eye(len(self.counts), device=self.continuous.device)[self.domain]

    def take(self, rows: Tensor) -> "SideInput":
        """Some rows (N',), sorted by domain, in the given order."""
        lists = tuple(one.take(rows) for one in self.lists)
        counts = tuple(torch.bincount(self.domain[rows], minlength=len(self.counts)).tolist())
        return SideInput(self.continuous[rows], self.categorical[rows], self.embedding[rows], counts, lists)


@dataclass(frozen=True)
class Batch:
    """Pairs of distinct requests and distinct ads, with their labels.

    query        SideInput of R rows        item        SideInput of A rows
    pair_query   (P,) int64, row of query   pair_item   (P,) int64, row of item
    pair_domain  (P,) int64, surface · |products| + product
    teacher      (P, T) float32, NaN where the task does not apply
    candidate    (P,) int64, row of the day's `candidates` that the pair came from
    weight       of its pairs in a training, which is that of their day
    """

    query: SideInput
    item: SideInput
    pair_query: Tensor
    pair_item: Tensor
    pair_domain: Tensor
    teacher: Tensor
    candidate: Tensor
    weight: float = 1.0

    def map(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        """The batch with every tensor changed, such as moved to a device."""
        mapped: Batch = _mapped(self, change)
        return mapped

    def to(self, device: torch.device) -> "Batch":
        """On a device; pinned tensors are copied while the caller goes on."""
        return self.map(lambda tensor: tensor.to(device, non_blocking=True))

    def only(self, pairs: Tensor) -> "Batch":
        """Some pairs (P',), with their requests and ads alone."""
        queries, pair_query = torch.unique(self.pair_query[pairs], return_inverse=True)
        items, pair_item = torch.unique(self.pair_item[pairs], return_inverse=True)
        kept = {name: getattr(self, name)[pairs] for name in ("pair_domain", "teacher", "candidate")}
        query, item = self.query.take(queries), self.item.take(items)
        return replace(self, query=query, item=item, pair_query=pair_query, pair_item=pair_item, **kept)

    def requests_once(self) -> Tensor:
        """(R,) int64: how often a request counts."""
        rows = self.query.continuous
        return torch.ones(len(rows), dtype=torch.long, device=rows.device)

    def candidates_of_ads(self) -> Tensor:
        """(A,) int64: how many pairs have each ad."""
        return torch.bincount(self.pair_item, minlength=len(self.item.continuous))


def _mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The value with the tensors in it changed: in batches, sides and lists, and in tuples of these."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, tuple):
        return tuple(_mapped(one, change) for one in value)
    if isinstance(value, Batch | SideInput | ListInput):
        return type(value)(**{f.name: _mapped(getattr(value, f.name), change) for f in fields(value)})
    return value


def on_device(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """The batches in their order, on a device; for a GPU a thread gathers and pins them ahead.

    On a CPU they are taken as they come: gathering ahead would take a core from torch.
    """
    if device.type == "cpu":
        yield from batches
        return
    source = iter(batches)
    with ThreadPoolExecutor(1) as thread:

        def pinned() -> Batch | None:
            batch = next(source, None)
            return None if batch is None else _pinned(batch)

        waiting = deque(thread.submit(pinned) for _ in range(AHEAD))
        while (batch := waiting.popleft().result()) is not None:
            waiting.append(thread.submit(pinned))
            yield batch.to(device)


def _pinned(batch: Batch) -> Batch:
    return batch.map(torch.Tensor.pin_memory)


def with_dropped_values(
    batches: Iterable[Batch], declarations: Declarations, seed: Sequence[int]
) -> Iterator[Batch]:
    """The batches of an epoch, each value of a feature with `dropout` missing with that probability.

    A request, or an ad, loses a value for all of its pairs in a batch.
    """
    generator = np.random.default_rng(seed)
    for batch in batches:
        query = _dropped(batch.query, declarations.query, generator)
        yield replace(batch, query=query, item=_dropped(batch.item, declarations.item, generator))


def _dropped(side: SideInput, schema: SideSchema, generator: np.random.Generator) -> SideInput:
    shares = {column: feature.dropout for column, feature in enumerate(schema.categorical) if feature.dropout}
    if not shares:
        return side
    categorical = side.categorical.clone()
    for column, share in shares.items():
        lost = torch.as_tensor(generator.random(len(categorical)) < share, device=categorical.device)
        categorical[lost, column] = 0
    return replace(side, categorical=categorical)
