"""What tests of the peers train and train on, without a peer's library."""

from collections.abc import Iterator

import torch

from benchmarks.peers.features import PairColumns, Peer
from mtmd.extract.window import WindowData
from mtmd.model.batch import Batch


class Lookup(Peer):
    """A peer without a library: a logit per surface and task."""

    def __init__(self, columns: PairColumns, tasks: int) -> None:
        super().__init__()
        self.columns = columns
        self.table = torch.nn.Embedding(columns.query.sizes["surface"], tasks)

    def forward(self, batch: Batch) -> torch.Tensor:
        return torch.nn.functional.logsigmoid(self.table(self.columns(batch)["surface"]))

    def initialise_bias(self, base_rates: torch.Tensor) -> None:
        torch.nn.init.constant_(self.table.weight, -3.0)


class Seen:
    """A window that validates on what it trains on: whether a peer learns must not hang on a handful of requests."""

    def __init__(self, window: WindowData) -> None:
        self.epoch, self.steps, self.base_rates = window.epoch, window.steps, window.base_rates

    def validation(self, batch_requests: int) -> Iterator[Batch]:
        return self.epoch(1, batch_requests)
