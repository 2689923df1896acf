"""Statistics of a domain's own values, learned defaults, SE gates."""

from dataclasses import replace

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


def test_a_plain_sigmoid_halves_the_gates_and_no_se_block_has_gates_of_one(tiny_preset: Preset) -> None:
    side = random_batch(tiny_preset.declarations).query
    gates = {
        gate: adaptation(tiny_preset, se_gate=gate).eval()(side)[1]
        for gate in ("double_sigmoid", "sigmoid", "none")
    }
    assert torch.equal(gates["sigmoid"], gates["double_sigmoid"] / 2)
    assert torch.equal(gates["none"], torch.ones(21, len(tiny_preset.declarations.query.fields)))
    assert not [
        name for name, _ in adaptation(tiny_preset, se_gate="none").named_parameters() if "exc" in name
    ]


def test_missing_numbers_may_be_zero_and_categories_keep_their_defaults(tiny_preset: Preset) -> None:
    model = adaptation(tiny_preset, missing_numbers="zero", se_gate="none")
    with torch.no_grad():
        for fields in model.domains:
            fields.get_parameter("default").fill_(3.0)
            fields.get_parameter("shift").fill_(5.0)
    schema = tiny_preset.declarations.query
    side = SideInput(
        torch.full((3, len(schema.continuous)), NAN),
        torch.zeros(3, len(schema.categorical), dtype=torch.long),
        torch.full((3, schema.vector_width), NAN),
        (1, 1, 1),
    )
    x, _ = model(side)
    numeric = model.layout.numeric_width
    assert not x[:, :numeric].any()
    assert (x[:, numeric:] == 3.0).all()


def test_raw_numbers_are_what_the_rows_have(tiny_preset: Preset) -> None:
    """Whatever was observed, and far from any clip."""
    model = adaptation(tiny_preset, statistics="none", missing_numbers="zero", se_gate="none")
    side = random_batch(tiny_preset.declarations, query_counts=(4, 0, 0)).query
    side = replace(side, continuous=side.continuous * 1e4)
    model.observe(side)
    x, _ = model(side)
    numbers = torch.cat([side.continuous, side.embedding], dim=1).nan_to_num(nan=0.0)
    assert torch.equal(x[:, : model.layout.numeric_width], numbers)
    assert not [name for name, _ in model.named_parameters() if name.endswith(("gain", "shift"))]
