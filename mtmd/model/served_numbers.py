"""The encoded numbers of one domain as they are served.

Shapes: N rows, C continuous features, k features of a group, T bins, w width.
"""

import math

import torch
from torch import Tensor, nn

from mtmd.model.numbers import NumberEncoding, NumberEncodings, encode
from mtmd.model.served_tables import copied


def served_encodings(encodings: NumberEncodings, present: Tensor, default: Tensor) -> nn.ModuleList:
    """A domain's encoded numbers; present and default of their columns, in the groups' order."""
    served, start = nn.ModuleList(), 0
    for group in encodings.groups:
        assert isinstance(group, NumberEncoding)  # as NumberEncodings builds them; nn.ModuleList has no types
        shape = (group.weight.shape[1], group.weight.shape[3])
        columns = slice(start, start + math.prod(shape))
        served.append(ServedEncoding(group, present[columns].view(shape)[:, 0], default[columns].view(shape)))
        start = columns.stop
    return served


class ServedEncoding(nn.Module):
    """Features that are encoded alike, in one domain, with the edges of the moment it was made."""

    columns: Tensor
    read: Tensor

    def __init__(self, group: NumberEncoding, present: Tensor, default: Tensor) -> None:
        """present (k,) bool and default (k, w): what the domain has of the fields."""
        super().__init__()
        self.weight = copied(group.weight[0])
        self.bias = None if group.bias is None else copied(group.bias[0])
        self.default = copied(default)
        self.register_buffer("columns", group.columns.clone())
        self.register_buffer("read", present & group.seen)  # (k,)
        self.names = ("low", "high", "inverse")[: len(group.pieces())]
        for name, values in zip(self.names, group.pieces(), strict=True):
            self.register_buffer(name, values)

    def forward(self, continuous: Tensor) -> Tensor:
        """(N, C), NaN for missing → embeddings side by side (N, k w)"""
        x = continuous.index_select(1, self.columns)
        known = ~x.isnan() & self.read
        pieces = [self.get_buffer(name) for name in self.names]
        values = (encode(x, *pieces).transpose(0, 1) @ self.weight).transpose(0, 1)  # (N, k, w)
        if self.bias is not None:
            values = values + self.bias
        return torch.where(known.unsqueeze(2), values, self.default).flatten(1)
