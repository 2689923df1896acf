import pytest
import torch

from mtmd.config import Preset
from mtmd.model import ModelKind, build_model
from mtmd.training.optimizer import make_optimizer
from tests.model.random_batches import random_batch

MATRIX_OWNERS = {"experts", "routers", "shallow", "shared", "stack", "cross", "project", "squeeze", "excite"}


@pytest.mark.parametrize("kind", ["mtmd", "per_slice", "pooled"])
def test_only_matrices_of_linear_layers_decay(kind: ModelKind, tiny_preset: Preset) -> None:
    model = build_model(kind, tiny_preset)
    decayed, kept = make_optimizer(model, tiny_preset.training).param_groups
    assert (decayed["weight_decay"], kept["weight_decay"]) == (tiny_preset.training.weight_decay, 0.0)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    for parameter in decayed["params"]:
        name = names.pop(id(parameter))
        assert parameter.dim() >= 2
        assert MATRIX_OWNERS & set(name.split("."))
        assert "bias" not in name
    rest = {part for name in names.values() for part in name.split(".") if not part.isdigit()}
    assert not rest & {"weight", "weights", "down", "up"}
    assert {id(parameter) for parameter in kept["params"]} == set(names)


def test_embedding_rows_that_no_batch_reads_stay_as_they_are(tiny_preset: Preset) -> None:
    model = build_model("mtmd", tiny_preset)
    optimizer = make_optimizer(model, tiny_preset.training)
    before = {name: p.detach().clone() for name, p in model.named_parameters() if ".tables." in name}
    model(random_batch(tiny_preset.declarations)).sum().backward()
    optimizer.step()
    for name, table in model.named_parameters():
        if ".tables." in name:
            assert table.grad is not None
            untouched = (table.grad == 0).all(dim=1)
            assert 0 < int(untouched.sum()) < len(table)
            torch.testing.assert_close(table[untouched], before[name][untouched], atol=0, rtol=0)
