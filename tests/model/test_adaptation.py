"""Statistics of a domain's own values, learned defaults, SE gates."""

import pytest
import torch

from mtmd.config import Preset
from mtmd.model.adaptation import DomainAdaptation
from mtmd.model.batch import SideInput
from tests.model.random_batches import random_batch

NAN = torch.nan


def adaptation(preset: Preset, **changes: object) -> DomainAdaptation:
    torch.manual_seed(0)
    return DomainAdaptation(preset.declarations.query, preset.model.model_copy(update=changes))


@pytest.mark.parametrize("shared", [False, True])
def test_a_domain_has_statistics_of_its_own_rows_and_of_its_own_fields(
    tiny_preset: Preset, shared: bool
) -> None:
    config = tiny_preset.model.model_copy(update={"adaptation": "shared" if shared else "domain"})
    schema = tiny_preset.declarations.query
    model = DomainAdaptation(schema, config)
    side = random_batch(tiny_preset.declarations, query_counts=(5, 2, 4)).query
    model.observe(side)
    numbers = torch.cat([side.continuous, side.embedding], dim=1)
    present = model.present[:, : numbers.shape[1]].repeat_interleave(torch.tensor(side.counts), dim=0)
    known = (~numbers.isnan() & present).split(list(side.counts))
    expected = [sum(part.sum(dim=0) for part in known)] if shared else [part.sum(dim=0) for part in known]
    for fields, count in zip(model.domains, expected, strict=True):
        assert torch.equal(fields.get_submodule("norm").get_buffer("count"), count.double())


@pytest.mark.parametrize("training", [True, False])
def test_missing_values_are_the_domains_learned_default(tiny_preset: Preset, training: bool) -> None:
    model = adaptation(tiny_preset).train(training)
    schema = tiny_preset.declarations.query
    counts = (2, 1, 2)
    side = SideInput(
        torch.full((5, len(schema.continuous)), NAN),
        torch.zeros(5, len(schema.categorical), dtype=torch.long),
        torch.full((5, schema.vector_width), NAN),
        counts,
    )
    with torch.no_grad():
        for d, fields in enumerate(model.domains):
            fields.get_parameter("default").fill_(d + 1.0)
            fields.get_parameter("excite.weight").zero_()
    x, gates = model(side)
    assert torch.equal(gates, torch.ones_like(gates))
    assert torch.equal(x, torch.tensor([1.0, 1.0, 2.0, 3.0, 3.0]).unsqueeze(1).expand_as(x))


def test_a_value_of_a_field_that_the_domain_lacks_is_ignored(tiny_preset: Preset) -> None:
    model = adaptation(tiny_preset).eval()
    side = random_batch(tiny_preset.declarations).query
    present = torch.from_numpy(tiny_preset.declarations.query.present).repeat_interleave(
        torch.tensor(side.counts), dim=0
    )
    c, k = side.continuous.shape[1], side.categorical.shape[1]
    wild = SideInput(
        torch.where(present[:, :c], side.continuous, 7.0),
        torch.where(present[:, c : c + k], side.categorical, 1),
        side.embedding,
        side.counts,
    )
    assert torch.equal(model(wild)[0], model(side)[0])


def test_no_gradient_is_nan_where_values_are_missing(tiny_preset: Preset) -> None:
    model = adaptation(tiny_preset)
    x, _ = model(random_batch(tiny_preset.declarations, query_counts=(6, 1, 0)).query)
    x.square().sum().backward()
    assert x.isfinite().all()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_gates_start_near_one_and_reweight_whole_fields(tiny_preset: Preset) -> None:
    model = adaptation(tiny_preset).eval()
    side = random_batch(tiny_preset.declarations).query
    open_x, gates = model(side)
    assert (gates - 1).abs().max() < 0.1
    with torch.no_grad():
        for fields in model.domains:
            fields.get_parameter("excite.bias")[3] = -100.0
    start = sum(model.layout.widths[:3])
    columns = slice(start, start + model.layout.widths[3])
    closed_x, _ = model(side)
    assert closed_x[:, columns].abs().max() < 1e-6
    torch.testing.assert_close(closed_x[:, :start], open_x[:, :start])
