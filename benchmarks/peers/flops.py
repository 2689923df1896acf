"""What a model multiplies for one pair, with nothing shared between pairs: the size that its speed is held against."""

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from mtmd.config import Declarations
from mtmd.extract.shards import Shard
from mtmd.extract.window import gather_batch, scorable
from mtmd.model.batch import Batch, SideInput
from mtmd.model.ranker import RankingModel


def pair_flops(model: RankingModel, shard: Shard, declarations: Declarations) -> int:
    """Floating-point operations of the matrix products for a day's first pair, forward."""
    batch = first_pair(gather_batch(shard, scorable(shard)[:1], declarations))
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model.eval()(batch)
    return counter.get_total_flops()


def first_pair(batch: Batch) -> Batch:
    """The first pair alone, with its request and its ad."""
    request, ad = int(batch.pair_query[0]), int(batch.pair_item[0])
    return Batch(
        query=_row(batch.query, request),
        item=_row(batch.item, ad),
        pair_query=torch.zeros(1, dtype=torch.long),
        pair_item=torch.zeros(1, dtype=torch.long),
        pair_domain=batch.pair_domain[:1],
        teacher=batch.teacher[:1],
        candidate=batch.candidate[:1],
    )


def _row(side: SideInput, row: int) -> SideInput:
    ends: Tensor = torch.tensor(side.counts).cumsum(0)
    domain = int(torch.searchsorted(ends, row, right=True))
    return SideInput(
        side.continuous[row : row + 1],
        side.categorical[row : row + 1],
        side.embedding[row : row + 1],
        tuple(int(other == domain) for other in range(len(side.counts))),
        tuple(lists.take(torch.tensor([row])) for lists in side.lists),
    )
