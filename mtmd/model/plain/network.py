"""One plain two-tower MLP of all rows: pooling and multi-task learning without experts.

The surface and the product are one-hot inputs, the tasks are heads. One norm and one set of defaults for all domains, a
shared trunk per tower with one embedding per task, a bias per (domain, task), and MTMD's task tree.

Shapes: R requests, A ads, B products, T tasks, K embedding width of each task; as it is served N rows of one domain, M
numeric columns.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtmd.config import Declarations
from mtmd.model.batch import Batch, SideInput
from mtmd.model.fields import FieldLayout, Owned
from mtmd.model.layers import normalise
from mtmd.model.plain import Settings
from mtmd.model.plain_tower import PlainTower
from mtmd.model.ranker import TwoTower, conditional_logits, pair_logits, tree_log_probability, without_gaps
from mtmd.model.served import ServedNetwork, embedded, served_tables


class Plain(TwoTower):
    """In an embedding, K numbers of the tower are followed by B that add the pair's bias to the dot product.

    A request has its surface's bias with each product there, and an ad 1 at its own product.
    """

    query: PlainTower
    item: PlainTower

    def __init__(self, declarations: Declarations, config: Settings) -> None:
        super().__init__()
        domains, owned = declarations.domains, Owned()
        tasks, products = len(domains.tasks), len(domains.products)
        self.parents = domains.parents
        self.tower_widths = (config.embedding,) * tasks
        self.widths = (config.embedding + products,) * tasks
        self.query, self.item = (
            PlainTower(
                FieldLayout(side, 0 if len(side.domains) == 1 else None),
                1,
                tasks,
                config.widths,
                config.embedding,
                config.norm_min_rows,
                owned,
                extra=len(side.domains),
            )
            for side in (declarations.query, declarations.item)
        )
        self.bias = nn.Parameter(torch.zeros(len(domains.domains), tasks))

    def forward(self, batch: Batch) -> Tensor:
        query, item = self._towers(batch.query, self.query), self._towers(batch.item, self.item)
        logits = pair_logits(query, item, batch.pair_query, batch.pair_item, self.tower_widths)
        return tree_log_probability(logits + F.embedding(batch.pair_domain, self.bias), self.parents)

    @torch.no_grad()
    def initialise_bias(self, base_rates: Tensor) -> None:
        self.bias.copy_(without_gaps(conditional_logits(base_rates, self.parents)))

    def embed_queries(self, side: SideInput) -> tuple[Tensor, ...]:
        parts = torch.chunk(self._towers(side, self.query), len(self.widths), dim=1)
        biases = self._of_surfaces()[side.domain].unbind(1)  # T tensors (R, B)
        return tuple(torch.cat(both, dim=1) for both in zip(parts, biases, strict=True))

    def embed_items(self, side: SideInput) -> tuple[Tensor, ...]:
        parts = torch.chunk(self._towers(side, self.item), len(self.widths), dim=1)
        return tuple(torch.cat([part, side.one_hot], dim=1) for part in parts)

    def query_module(self, surface: int) -> nn.Module:
        biases = self._of_surfaces()
        return PlainModule(self.query, surface, len(biases), biases[surface])

    def item_module(self, product: int) -> nn.Module:
        products = self._of_surfaces().shape[2]
        chosen = torch.eye(products)[product].expand(len(self.widths), -1)
        return PlainModule(self.item, product, products, chosen)

    def _of_surfaces(self) -> Tensor:
        """(surfaces, T, B)"""
        tasks = len(self.widths)
        return self.bias.view(-1, self.widths[0] - self.tower_widths[0], tasks).transpose(1, 2)

    @staticmethod
    def _towers(side: SideInput, tower: PlainTower) -> Tensor:
        """(N, T K)"""
        found: Tensor = tower(side, side.one_hot).squeeze(0)
        return found


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


Network = Plain
