"""How the embeddings of a list become one: their mean or sum, weighted, or attention.

    mean = Σ w_j e_j / Σ w_j        sum = Σ w_j e_j
    attention = Σ a_j e_j           a = softmax over j of q · tanh(W e_j + b)

over the values j of a row's list. e_j is the embedding of the value, plus that of its action and that of the bin of its
age, where the feature has these; both start at 0. The weights w_j are 1 where a feature has none. W, b and q are the
feature's own, and learned. They do not look at the other side, so that a tower still runs once for a request. q starts
at 0, so that attention starts as the mean. A list without a value, or whose weights are all 0, is missing.

Shapes: E copies of a table, M rows of a table, w its width, N rows of a batch, L values of their lists.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtmd.features.multivalued import ACTIONS, AGES, MultiValued
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
        self.pooling = feature.pooling or "mean"
        self.attention = Attention(copies, feature.width) if self.pooling == "attention" else None
        # Row 0 is read behind the end of a padded list alone.
        self.actions = _zeros(copies, ACTIONS + 1, feature.width) if feature.actions is not None else None
        self.ages = _zeros(copies, AGES + 1, feature.width) if feature.ages is not None else None

    @property
    def notes(self) -> dict[str, nn.Parameter]:
        """What is added to the embedding of a value, (E, rows, w) each, as far as the feature has it."""
        notes: dict[str, nn.Parameter | None] = {"actions": self.actions, "ages": self.ages}
        return {what: rows for what, rows in notes.items() if rows is not None}

    def forward(
        self, table: Tensor, rows: Tensor, lists: ListInput, *, sparse: bool
    ) -> tuple[Tensor, Tensor]:
        """table (M, w), rows (E, L) of it, and the N lists that they are of → (E, N, w), and which are known (N,).

        What is not known is 0. With `sparse` the table's gradient has only the rows that were read.
        """
        row = torch.repeat_interleave(lists.lengths)  # (L,) the batch's row of each value
        if self.attention is None:
            shares, known = self._shares(lists, row, table)
            if not self.notes:
                return _bags(table, rows, lists, shares, sparse=sparse), known
        embedded = F.embedding(rows, table, sparse=sparse)  # (E, L, w)
        for what, note in self.notes.items():
            embedded = embedded + note[:, lists.values[what]]
        if self.attention is not None:
            known = lists.lengths > 0
            shares = _softmax(self.attention(embedded), row, len(known))
        sums = embedded.new_zeros(len(embedded), len(known), embedded.shape[2])
        return sums.index_add(1, row, embedded * shares[..., None]), known

    def _shares(self, lists: ListInput, row: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
        """What each value counts in its list's mean or sum (L,), in the table's type; and which lists are known."""
        weights = torch.ones_like(lists.ids) if lists.weights is None else lists.weights
        weights = weights.to(table.dtype)
        total = weights.new_zeros(len(lists.lengths)).index_add_(0, row, weights)  # (N,)
        known = total > 0
        if self.pooling == "mean":
            weights = weights / torch.where(known, total, 1.0)[row]
        return weights, known


def _zeros(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.zeros(shape))


def _bags(table: Tensor, rows: Tensor, lists: ListInput, shares: Tensor, *, sparse: bool) -> Tensor:
    """Weighted sums (E, N, w), faster than by gathering (E, L, w) first (docs/lab/decisions.md)."""
    copies, values = rows.shape
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
