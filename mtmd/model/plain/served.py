"""A tower of the plain network as it is served, for rows of one domain.

Shapes: N rows, M numeric columns, T tasks, K embedding width of a tower, B products.
"""

import torch
from torch import Tensor, nn

from mtmd.model.layers import normalise
from mtmd.model.plain_tower import PlainTower
from mtmd.model.served import ServedNetwork, embedded, served_tables


class PlainModule(nn.Module):
    """A tower for rows of one domain, in evaluation mode, for export: matrices in, T embeddings out.

    It shares the tower's norm, and holds its weights, tables and the normalisation constants of the moment it was made.
    """

    centre: Tensor
    scale: Tensor
    shift: Tensor
    default: Tensor
    one_hot: Tensor
    last: Tensor

    def __init__(self, tower: PlainTower, domain: int, domains: int, last: Tensor) -> None:
        """last (T, B): what follows the tower's numbers in each embedding."""
        super().__init__()
        default, numeric = tower.default.detach()[0, 0], tower.layout.numeric_width
        present = torch.ones(len(default) - numeric, dtype=torch.bool)
        self.norm, self.layout = tower.norm, tower.layout
        self.tables = served_tables(tower.tables, present, default[numeric:])
        self.network = ServedNetwork(tower.stack, 0)
        for name, value in zip(("centre", "scale", "shift"), tower.norm.frozen(), strict=True):
            self.register_buffer(name, value)
        self.register_buffer("default", default[:numeric].clone())
        self.register_buffer("one_hot", torch.eye(domains)[domain])
        self.register_buffer("last", last.detach().clone())
        self.eval()

    def forward(
        self, continuous: Tensor, categorical: Tensor, embedding: Tensor, *lists: Tensor
    ) -> tuple[Tensor, ...]:
        """continuous (N, C), categorical (N, K), embedding (N, V), as in SideInput → T tensors (N, K + B).

        lists: of each multi-valued feature its ids (N, L), 0 behind the last one.
        """
        numbers = self.layout.numbers(torch.cat([continuous, embedding], dim=1))  # (N, M)
        rows, seen = numbers.shape[0], ~torch.isnan(numbers)
        normed = self.norm(numbers, seen, (self.centre, self.scale, self.shift))
        parts = [torch.where(seen, normed, self.default), *embedded(self.tables, categorical, lists)]
        x = normalise(torch.cat([*parts, self.one_hot.expand(rows, -1)], dim=1))
        towers = torch.chunk(self.network(x), len(self.last), dim=1)  # T tensors (N, K)
        return tuple(
            torch.cat([part, last.expand(rows, -1)], dim=1)
            for part, last in zip(towers, self.last.unbind(0), strict=True)
        )
