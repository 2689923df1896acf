"""What is exported of a tower computes what the tower does, whatever the configuration."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mtmd.config import Preset
from mtmd.model.batch import ListInput
from mtmd.model.mtmd.served import DomainModule
from tests.model.random_batches import random_batch
from tests.model.test_oracle import SWITCHES
from tests.model.test_rankers import tower


@pytest.mark.parametrize("domain", [0, 1, 2])
@pytest.mark.parametrize("changes", SWITCHES, ids=str)
def test_the_export_module_equals_the_tower(
    tiny_preset: Preset, changes: dict[str, object], domain: int
) -> None:
    assert_alike(tiny_preset, changes, domain)


def assert_alike(preset: Preset, changes: dict[str, object], domain: int) -> None:
    """In double precision, where the order in which a product is summed does not show."""
    model = tower(preset, learn_bias=True, **changes).eval().double()
    counts = tuple(9 if place == domain else 0 for place in range(3))
    side = random_batch(preset.declarations, query_counts=counts).query
    side = replace(side, continuous=side.continuous.double(), embedding=side.embedding.double())
    module = DomainModule(model, domain)
    with torch.no_grad():
        outputs = module(side.continuous, side.categorical, side.embedding, *padded(side.lists))
        expected = torch.split(model(side).float(), list(model.widths), dim=1)
    assert not module.training
    outputs = tuple(output.float() for output in outputs)
    torch.testing.assert_close(outputs, tuple(expected), atol=1e-6, rtol=1e-6)


def padded(lists: tuple[ListInput, ...]) -> list[Tensor]:
    """The inputs of a served tower, one row longer than the longest list of the batch."""
    inputs = []
    for one in lists:
        filled = torch.arange(int(one.lengths.max()) + 1) < one.lengths[:, None]
        inputs.append(one.ids.new_zeros(filled.shape).masked_scatter(filled, one.ids))
    return inputs


def test_the_export_module_holds_only_its_domains_weights(tiny_preset: Preset) -> None:
    model = tower(tiny_preset)
    module = DomainModule(model, 1)
    own = {id(p) for p in module.parameters()}
    others = (model.adaptation.domains[0], *model.experts)
    assert not own & {id(p) for other in others for p in other.parameters()}
    expert = sum(p.numel() for p in model.experts[1].parameters())
    assert sum(p.numel() for p in module.expert.parameters()) == expert
