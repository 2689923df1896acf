import pytest
import torch

from benchmarks.peers.features import PairColumns, Peer
from benchmarks.peers.train import fit_peer, make_optimizer, validation_kl
from mtmd.config import Preset
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


def test_training_lowers_the_validation_kl_and_keeps_the_best_epoch(
    tiny_preset: Preset, window: WindowData, columns: PairColumns
) -> None:
    model = Lookup(columns, 3)
    seen: list[float] = []
    fit = fit_peer(model, window, tiny_preset, 0.05, "float32", lambda epoch, kl, speed: seen.append(kl))
    assert fit.epochs == len(seen) == tiny_preset.training.epochs
    assert fit.validation_kl == min(seen) == seen[fit.best_epoch - 1]
    assert seen[-1] < seen[0]
    assert validation_kl(model, window, tiny_preset) == pytest.approx(fit.validation_kl)
    assert not model.training


def test_weights_of_linear_layers_decay_and_tables_have_their_own_rate(tiny_preset: Preset) -> None:
    model = torch.nn.Sequential(
        torch.nn.Embedding(5, 4), torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 1)
    )
    training = tiny_preset.training.model_copy(update={"embedding_rate": 4.0})
    groups = make_optimizer(model, training).param_groups
    linear, tables, others = [[tuple(p.shape) for p in group["params"]] for group in groups]
    assert (linear, tables) == ([(3, 4), (1, 3)], [(5, 4)])
    assert sorted(others) == [(1,), (3,), (3,), (3,)]  # two biases, BatchNorm's two
    assert [group["weight_decay"] for group in groups] == [training.weight_decay, 0.0, 0.0]
    assert [group["rate"] for group in groups] == [1.0, 4.0, 1.0]
