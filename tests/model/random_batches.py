"""Batches of random rows that fit any declarations: no logs, no shards."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mtmd.config import Declarations, SideSchema
from mtmd.features import Feature
from mtmd.model.batch import Batch, ListInput, SideInput


def random_side(
    schema: SideSchema, counts: Sequence[int], generator: torch.Generator, missing: float = 0.2
) -> SideInput:
    """Rows with `missing` nulls besides those of fields that the row's domain lacks."""
    domain = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    singles = schema.fields[: len(schema.fields) - len(schema.lists)]
    widths = [f.width if f.kind == "embedding" else 1 for f in singles]
    present = torch.from_numpy(schema.present)[domain, : len(singles)]
    null = ~present | (torch.rand(present.shape, generator=generator) < missing)
    null = null.repeat_interleave(torch.tensor(widths), dim=1)
    c, k = len(schema.continuous), len(schema.categorical)
    numbers = torch.randn(len(domain), c + schema.vector_width, generator=generator) * 2 + 1
    ids = [torch.randint(1, f.buckets + 1, domain.shape, generator=generator) for f in schema.categorical]
    return SideInput(
        continuous=numbers[:, :c].masked_fill(null[:, :c], torch.nan),
        categorical=torch.stack(ids, dim=1).masked_fill(null[:, c : c + k], 0),
        embedding=numbers[:, c:].masked_fill(null[:, c + k :], torch.nan),
        counts=tuple(counts),
        lists=tuple(_random_lists(feature, len(domain), generator) for feature in schema.lists),
    )


def _random_lists(feature: Feature, rows: int, generator: torch.Generator) -> ListInput:
    """Lists of every length that is allowed."""
    lengths = torch.randint(0, (feature.max_length or 0) + 1, (rows,), generator=generator)
    ids = torch.randint(1, feature.buckets + 1, (int(lengths.sum()),), generator=generator)
    return ListInput(ids, lengths)


def random_batch(
    declarations: Declarations,
    query_counts: Sequence[int] = (9, 5, 7),
    item_counts: Sequence[int] = (11, 8),
    per_request: int = 4,
    seed: int = 0,
) -> Batch:
    """Each request with `per_request` random ads; teacher scores are NaN where the task does not apply."""
    generator = torch.Generator().manual_seed(seed)
    query = random_side(declarations.query, query_counts, generator)
    item = random_side(declarations.item, item_counts, generator)
    requests, ads = sum(query_counts), sum(item_counts)
    pair_query = torch.arange(requests).repeat_interleave(per_request)
    pair_item = torch.randint(ads, pair_query.shape, generator=generator)
    pair_domain = _domains(query)[pair_query] * len(item_counts) + _domains(item)[pair_item]
    applies = torch.from_numpy(declarations.domains.task_mask)[pair_domain]
    teacher = torch.sigmoid(torch.randn(applies.shape, generator=generator) - 3.0)
    return Batch(
        query=query,
        item=item,
        pair_query=pair_query,
        pair_item=pair_item,
        pair_domain=pair_domain,
        teacher=teacher.masked_fill(~applies, torch.nan),
        candidate=torch.arange(len(pair_query)),
    )


def _domains(side: SideInput) -> Tensor:
    return torch.arange(len(side.counts)).repeat_interleave(torch.tensor(side.counts))
