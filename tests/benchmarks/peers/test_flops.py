import torch

from benchmarks.peers.features import PairColumns
from benchmarks.peers.flops import pair_flops
from mtmd.config import Preset
from mtmd.extract.window import WindowData
from mtmd.model.batch import Batch
from tests.benchmarks.peers.stand_ins import Lookup


def test_operations_of_a_pair_are_counted_by_hand(
    tiny_preset: Preset, columns: PairColumns, window: WindowData
) -> None:
    """A pair of one request and one ad: 2 · 3 · 5 operations of the linear layer; a lookup multiplies nothing."""

    class Linear(Lookup):
        def __init__(self) -> None:
            super().__init__(columns, 3)
            self.linear = torch.nn.Linear(3, 5)

        def forward(self, batch: Batch) -> torch.Tensor:
            assert (len(batch.query.continuous), len(batch.item.continuous), len(batch.teacher)) == (1, 1, 1)
            assert sum(batch.query.counts) == sum(batch.item.counts) == 1
            return self.linear(super().forward(batch))

    assert pair_flops(Linear(), window.shards[0], tiny_preset.declarations) == 2 * 3 * 5
