"""How the embeddings of a list become one: their mean, or attention.

    mean = Σ e_j / n        attention = Σ a_j e_j        a = softmax over j of q · tanh(W e_j + b)

over the n values j of a row's list, whose embeddings are e_j. W, b and q are the feature's own, and learned. They do
not look at the other side, so that a tower still runs once for a request. q starts at 0, so that attention starts as
the mean. A list without a value is missing.

Shapes: E copies of a table, M rows of a table, w its width, N rows of a batch, L values of their lists.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtmd.features import MultiValued
from mtmd.model.batch import ListInput


class Attention(nn.Module):
    """W, b and q of one feature, in `copies` independent copies."""

    def __init__(self, copies: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(copies, width, width) / math.sqrt(width))
        self.bias = nn.Parameter(torch.zeros(copies, 1, width))
        self.query = nn.Parameter(torch.zeros(copies, width, 1))

    def forward(self, embedded: Tensor) -> Tensor:
        """(E, L, w), or (N, L, w) of one copy → scores (E, L), or (N, L)"""
        return (torch.tanh(embedded @ self.weight + self.bias) @ self.query).squeeze(2)


class ListPooling(nn.Module):
    """The pooling of one feature's lists, in `copies` independent copies."""

    def __init__(self, feature: MultiValued, copies: int = 1) -> None:
        super().__init__()
        self.attention = Attention(copies, feature.width) if feature.pooling == "attention" else None

    def forward(self, table: Tensor, rows: Tensor, lists: ListInput, *, sparse: bool) -> Tensor:
        """table (M, w), rows (E, L) of it, and the N lists that they are of → (E, N, w), 0 of an empty list.

        With `sparse` the table's gradient has only the rows that were read.
        """
        if self.attention is None:
            return _means(table, rows, lists, sparse=sparse)
        row = torch.repeat_interleave(lists.lengths)  # (L,) the batch's row of each value
        embedded = F.embedding(rows, table, sparse=sparse)  # (E, L, w)
        shares = _softmax(self.attention(embedded), row, len(lists.lengths))
        sums = embedded.new_zeros(len(embedded), len(lists.lengths), embedded.shape[2])
        return sums.index_add(1, row, embedded * shares[..., None])


def _means(table: Tensor, rows: Tensor, lists: ListInput, *, sparse: bool) -> Tensor:
    """(E, N, w), faster than by gathering (E, L, w) first (docs/lab/decisions.md)."""
    copies, values = rows.shape
    shares = (1.0 / lists.lengths.to(table.dtype)).repeat_interleave(lists.lengths)  # (L,)
    starts = lists.lengths.cumsum(0) - lists.lengths
    first = values * torch.arange(copies, device=rows.device)[:, None]
    offsets = (starts + first).flatten()  # (E N,)
    sums = F.embedding_bag(
        rows.flatten(), table, offsets, mode="sum", per_sample_weights=shares.repeat(copies), sparse=sparse
    )
    return sums.view(copies, len(lists.lengths), table.shape[1])


def _softmax(scores: Tensor, row: Tensor, rows: int) -> Tensor:
    """Scores (E, L) → their shares of their rows' lists, which sum to 1."""
    with torch.no_grad():  # against overflow alone: it cancels out
        lowest = scores.new_full((len(scores), rows), -torch.inf)
        largest = lowest.scatter_reduce(1, row.expand_as(scores), scores, "amax")
    shares = torch.exp(scores - largest[:, row])
    total = scores.new_zeros(len(scores), rows).index_add(1, row, shares)
    return shares / total[:, row]
