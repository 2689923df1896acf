"""The input of a model: a batch, as `mtmd.extract.window` gathers it.

Shapes: R distinct requests, A distinct ads, P (request, ad) pairs, T tasks;
C continuous, K categorical features and V vector components of one side.
"""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class SideInput:
    """Rows of one tower, sorted by domain (surface on the query side, product on the item side).

    continuous   (N, C) float32, NaN = missing
    categorical  (N, K) int64, 0 = missing, 1..buckets = hashed value
    embedding    (N, V) float32, NaN = missing
    counts       rows of each domain, in index order; they sum to N
    """

    continuous: Tensor
    categorical: Tensor
    embedding: Tensor
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Batch:
    """Pairs of distinct requests and distinct ads, with their labels.

    query        SideInput of R rows        item        SideInput of A rows
    pair_query   (P,) int64, row of query   pair_item   (P,) int64, row of item
    pair_domain  (P,) int64, surface · |products| + product
    teacher      (P, T) float32, NaN where the task does not apply
    candidate    (P,) int64, row of the day's `candidates` that the pair came from
    """

    query: SideInput
    item: SideInput
    pair_query: Tensor
    pair_item: Tensor
    pair_domain: Tensor
    teacher: Tensor
    candidate: Tensor
