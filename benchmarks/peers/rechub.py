"""torch-rechub's MMOE, PLE and two towers.

Its `MTLTrainer.fit` scores each epoch by AUC, which raises on soft labels, so the training loop is ours. The networks
are its own, with task type "regression": the logit, of which "classification" would be the sigmoid, since a logit
keeps the precision of a small probability.

Its two-tower model (DSSM) takes the sigmoid of a cosine: a probability between 0.27 and 0.73, for rates of a few per
cent. Here are its embedding layer and its tower MLP with what MTMD has: a linear output, a raw dot product per task,
and a bias. Shapes: P pairs, R requests, A ads, T tasks, K embedding.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_rechub.basic.features import DenseFeature, SparseFeature
from torch_rechub.basic.layers import MLP, EmbeddingLayer
from torch_rechub.models.multi_task import MMOE, PLE

from benchmarks.peers.features import PairColumns, Peer, SideColumns, mean_logits
from benchmarks.peers.sizes import Sizes
from mtmd.model.batch import Batch, SideInput
from mtmd.model.scores import pair_logits

LOGIT_STD = 0.1  # of the two towers' logits before training, as in our own rivals


class FlatPeer(Peer):
    """A single tower over flat pairs, such as MMOE: no dot product can serve it."""

    def __init__(self, columns: PairColumns, network: nn.Module) -> None:
        super().__init__()
        self.columns, self.network = columns, network

    def forward(self, batch: Batch) -> Tensor:
        logits: Tensor = self.network(self.columns(batch))  # (P, T)
        return F.logsigmoid(logits.float())

    @torch.no_grad()
    def initialise_bias(self, base_rates: Tensor) -> None:
        towers = self.network.get_submodule("towers").children()
        outputs = [list(tower.get_submodule("mlp").children())[-1] for tower in towers]
        for output, logit in zip(outputs, mean_logits(base_rates), strict=True):
            output.get_parameter("bias").fill_(logit)


class TwoTowerPeer(Peer):
    """Its towers over distinct requests and distinct ads, and a dot product per task."""

    def __init__(self, columns: PairColumns, tasks: int, sizes: Sizes) -> None:
        super().__init__()
        self.widths = [sizes.output] * tasks
        self.query = _Tower(columns.query, columns.embedding, sizes, sum(self.widths))
        self.item = _Tower(columns.item, columns.embedding, sizes, sum(self.widths))
        self.bias = nn.Parameter(torch.zeros(tasks))

    def forward(self, batch: Batch) -> Tensor:
        query, item = self.query(batch.query), self.item(batch.item)  # (R, T·K), (A, T·K)
        logits = pair_logits(query, item, batch.pair_query, batch.pair_item, self.widths)  # (P, T)
        return F.logsigmoid(logits + self.bias)

    @torch.no_grad()
    def initialise_bias(self, base_rates: Tensor) -> None:
        self.bias.copy_(mean_logits(base_rates))


class _Tower(nn.Module):
    def __init__(self, columns: SideColumns, embedding: int, sizes: Sizes, outputs: int) -> None:
        super().__init__()
        self.columns = columns
        self.features = _features([columns], embedding)
        self.embedding = EmbeddingLayer(self.features)
        self.mlp = MLP(_width(self.features), output_layer=False, dims=list(sizes.widths))
        self.output = nn.Linear(sizes.widths[-1], outputs)
        nn.init.normal_(self.output.weight, std=(LOGIT_STD / sizes.output**0.5 / sizes.widths[-1]) ** 0.5)
        nn.init.zeros_(self.output.bias)

    def forward(self, side: SideInput) -> Tensor:
        """N rows → (N, outputs)"""
        hidden = self.mlp(self.embedding(self.columns(side), self.features, squeeze_dim=True))
        output: Tensor = self.output(hidden)
        return output


def mmoe(columns: PairColumns, tasks: Sequence[str], sizes: Sizes, seed: int) -> Peer:
    """`sizes.experts` experts, a gate and a tower per task; torch's own generator has the seed already."""
    network = MMOE(
        _features(columns.sides, columns.embedding),
        ["regression"] * len(tasks),
        sizes.experts,
        {"dims": list(sizes.widths)},
        [{"dims": list(sizes.head)}] * len(tasks),
    )
    return FlatPeer(columns, network)


def ple(columns: PairColumns, tasks: Sequence[str], sizes: Sizes, seed: int) -> Peer:
    """`sizes.levels` levels of `sizes.specific` experts per task and `sizes.shared` for all."""
    network = PLE(
        _features(columns.sides, columns.embedding),
        ["regression"] * len(tasks),
        sizes.levels,
        sizes.specific,
        sizes.shared,
        {"dims": list(sizes.widths)},
        [{"dims": list(sizes.head)}] * len(tasks),
    )
    return FlatPeer(columns, network)


def two_tower(columns: PairColumns, tasks: Sequence[str], sizes: Sizes, seed: int) -> Peer:
    """One tower for requests and one for ads, as `TwoTowerPeer` says."""
    return TwoTowerPeer(columns, len(tasks), sizes)


def _features(sides: Sequence[SideColumns], embedding: int) -> list[SparseFeature | DenseFeature]:
    found: list[SparseFeature | DenseFeature] = []
    for side in sides:
        found += [SparseFeature(name, size, embed_dim=embedding) for name, size in side.sizes.items()]
        if side.width:
            found.append(DenseFeature(side.numbers, embed_dim=side.width))
    return found


def _width(features: Sequence[SparseFeature | DenseFeature]) -> int:
    return sum(int(feature.embed_dim) for feature in features)
