"""Values that the window has seldom seen are read as missing: a rare value's embedding would be noise, and a value that
the window never had is still what it was drawn as. Both get what is learned for a missing value instead.

A value's count is that of the window's training requests on the query side, and of their candidates on the item side.
In a list each value counts. Shapes: k features of a table, M its rows, L ids.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mtmd.features import Hashed


class Admission(nn.Module):
    """How often each value of a table's features was seen, and which of them are admitted."""

    seen: Tensor
    least: Tensor
    offsets: Tensor

    def __init__(self, features: Sequence[Hashed], offsets: Sequence[int], rows: int) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(rows, dtype=torch.long))
        least = [0 if feature.min_count is None else feature.min_count for feature in features]
        self.register_buffer("least", torch.tensor(least), persistent=False)  # (k,)
        self.register_buffer("offsets", torch.tensor(offsets), persistent=False)  # (k,)

    def observe(self, ids: Tensor, times: Tensor) -> None:
        """Count ids (L, k), each as often as `times` (L,) says."""
        for column in (ids + self.offsets).unbind(dim=1):
            self.seen.index_add_(0, column, times)

    def forward(self, ids: Tensor) -> Tensor:
        """ids (L, k) → the same, 0 where a value is not admitted"""
        return torch.where(self.seen[ids + self.offsets] >= self.least, ids, 0)

    def admitted(self, place: int, buckets: int) -> Tensor:
        """(buckets + 1,) bool: which ids of one of the features are admitted."""
        start = int(self.offsets[place])
        return self.seen[start : start + buckets + 1] >= self.least[place]
