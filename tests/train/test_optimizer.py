import pytest
import torch

from mtmd.config import Preset, TrainingConfig
from mtmd.model.build import ModelKind, build_model
from mtmd.train.optimizer import RATE, make_optimizer
from tests.model.random_batches import random_batch

MATRIX_OWNERS = {"experts", "routers", "shallow", "shared", "stack", "cross", "project", "squeeze", "excite"}


def training(preset: Preset) -> TrainingConfig:
    return preset.training.model_copy(update={"embedding_rate": 4.0})


@pytest.mark.parametrize("kind", ["mtmd", "per_slice", "pooled"])
def test_only_matrices_of_linear_layers_decay(kind: ModelKind, tiny_preset: Preset) -> None:
    model = build_model(kind, tiny_preset)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    seen = set()
    for group in make_optimizer(model, training(tiny_preset)).param_groups:
        decays = group["weight_decay"] > 0
        assert group["weight_decay"] in {0.0, tiny_preset.training.weight_decay}
        for parameter in group["params"]:
            parts = set(names[id(parameter)].split("."))
            assert decays == bool(parts & MATRIX_OWNERS and parts & {"weight", "weights", "down", "up"})
            assert not decays or parameter.dim() >= 2
            seen.add(id(parameter))
    assert seen == set(names)


def test_tables_learn_at_a_rate_of_their_own(tiny_preset: Preset) -> None:
    model = build_model("mtmd", tiny_preset)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    rates = {
        names[id(parameter)]: group[RATE]
        for group in make_optimizer(model, training(tiny_preset)).param_groups
        for parameter in group["params"]
    }
    for name, rate in rates.items():
        assert rate == (4.0 if ".tables." in name else 1.0), name


def test_embedding_rows_that_no_batch_reads_stay_as_they_are(tiny_preset: Preset) -> None:
    model = build_model("mtmd", tiny_preset)
    optimizer = make_optimizer(model, tiny_preset.training)
    before = {name: p.detach().clone() for name, p in model.named_parameters() if ".tables." in name}
    model(random_batch(tiny_preset.declarations)).sum().backward()
    optimizer.step()
    for name, table in model.named_parameters():
        if ".tables." in name:
            assert table.grad is not None
            untouched = torch.ones(len(table), dtype=torch.bool)
            untouched[table.grad.coalesce().indices()[0]] = False
            assert 0 < int(untouched.sum()) < len(table)
            torch.testing.assert_close(table[untouched], before[name][untouched], atol=0, rtol=0)
