"""Batches of a day's requests: distinct requests and distinct ads, once each.

Rows of a shard are sorted by domain, so sorted row numbers are too.

Shapes: R requests, A ads, P pairs of a batch, T tasks.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from mtmd.config import Declarations
from mtmd.extract.shards import Shard
from mtmd.model.batch import Batch, SideInput


def gather_batch(shard: Shard, rows: Tensor, declarations: Declarations) -> Batch:
    """The batch of some requests of a day: `rows` (R,) int64, ascending, each with at least one candidate."""
    surfaces, products = len(declarations.domains.surfaces), len(declarations.domains.products)
    pair_query, candidate = _candidates(shard, rows)
    ads, pair_item = torch.unique(shard.ad_row.index_select(0, candidate), return_inverse=True)  # (A,), (P,)
    surface = shard.surface.index_select(0, rows).long()
    product = shard.product.index_select(0, ads).long()
    return Batch(
        query=SideInput.of(shard.query, _counts(surface, surfaces), rows),
        item=SideInput.of(shard.item, _counts(product, products), ads),
        pair_query=pair_query,
        pair_item=pair_item,
        pair_domain=surface.index_select(0, pair_query) * products + product.index_select(0, pair_item),
        teacher=shard.teacher.index_select(0, candidate),
        candidate=candidate,
    )


def _candidates(shard: Shard, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Of the pairs of some requests (R,): the row of `rows` and the candidate, (P,) int64 each."""
    counts = shard.candidate_count.index_select(0, rows).long()
    pair_query = torch.repeat_interleave(counts)  # (P,)
    # Candidates of a request are consecutive: shift a running number to where each request's rows start.
    shift = shard.candidate_start.index_select(0, rows) - (counts.cumsum(0) - counts)  # (R,)
    return pair_query, torch.arange(len(pair_query)) + shift.index_select(0, pair_query)


def day_batches(shard: Shard, declarations: Declarations, batch_requests: int) -> Iterator[Batch]:
    """All of a day in order, for evaluation: the batches' pairs, concatenated, are the day's candidates.

    Requests without candidates are left out: they have no pair to score. At most `batch_requests` requests
    a batch.
    """
    for rows in split_evenly(scorable(shard), batch_requests):
        yield gather_batch(shard, rows, declarations)


def scorable(shard: Shard) -> Tensor:
    """Ascending rows (int64) of the requests that have candidates."""
    return shard.candidate_count.nonzero().squeeze(1)


def split_evenly(rows: Tensor, batch_requests: int) -> tuple[Tensor, ...]:
    """As few pieces of at most `batch_requests` rows as there can be, as equal as they can be."""
    if len(rows) == 0:
        return ()
    return rows.tensor_split(-(-len(rows) // batch_requests))


def _counts(domain: Tensor, domains: int) -> tuple[int, ...]:
    return tuple(torch.bincount(domain, minlength=domains).tolist())
