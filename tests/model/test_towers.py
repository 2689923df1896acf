"""A tower's rows do not depend on their neighbours, and its domains share what they should."""

import pytest
import torch

from mtmd.config import ModelConfig, Preset
from mtmd.model.batch import SideInput
from mtmd.model.norms import MOMENTUM
from mtmd.model.towers import Tower
from tests.model.random_batches import random_batch, rows_of

TASKS = ((0, 1, 2), (0, 1), (0, 1, 2))  # the second domain lacks a task


def tower(preset: Preset, learn_bias: bool = False, **changes: object) -> Tower:
    """A tower whose statistics and weights are those of no special case."""
    torch.manual_seed(1)
    config = ModelConfig.model_validate(preset.model.model_dump() | changes)
    model = Tower(preset.declarations.query, (8, 4, 4), TASKS, config, learn_bias=learn_bias)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    model.adaptation.observe(random_batch(preset.declarations, query_counts=(20, 20, 20), seed=7).query)
    return model


def test_routing_weights_sum_to_one_and_start_near_uniform(tiny_preset: Preset) -> None:
    torch.manual_seed(0)
    model = Tower(
        tiny_preset.declarations.query, (8, 4, 4), [(0, 1, 2)] * 3, tiny_preset.model, learn_bias=False
    )
    trace = model(random_batch(tiny_preset.declarations).query)
    assert trace.routing.shape == (21, 3, 3)
    torch.testing.assert_close(trace.routing.sum(dim=2), torch.ones(21, 3))
    assert (trace.routing - 1 / 3).abs().max() < 0.2
    assert trace.gates.shape == (21, len(tiny_preset.declarations.query.fields))


def test_statistics_of_batches_are_taken_in_by_training_alone(tiny_preset: Preset) -> None:
    model = tower(tiny_preset, statistics="batch")
    side = random_batch(tiny_preset.declarations).query
    weights = [fields.get_submodule("norm").get_buffer("weight") for fields in model.adaptation.domains]
    assert not any(weight.any() for weight in weights)  # what was observed of the window changes nothing
    model.eval()(side)
    assert not any(weight.any() for weight in weights)
    model.train()(side)
    assert all(weight.any() for weight in weights)
    assert all(weight.max() == pytest.approx(MOMENTUM) for weight in weights)


@pytest.mark.parametrize("changes", [{}, {"statistics": "batch"}], ids=["paper", "switched"])
@pytest.mark.parametrize("counts", [(6, 0, 3), (0, 1, 0), (1, 1, 1), (0, 0, 0)])
@pytest.mark.parametrize("training", [True, False])
def test_domains_with_one_row_or_none_work(
    tiny_preset: Preset, counts: tuple[int, int, int], training: bool, changes: dict[str, object]
) -> None:
    model = tower(tiny_preset, **changes).train(training)
    side = rows_of(
        random_batch(tiny_preset.declarations, query_counts=(6, 6, 6)).query,
        torch.tensor([6 * d + i for d, count in enumerate(counts) for i in range(count)], dtype=torch.long),
    )
    packed = model(side).packed
    packed.square().sum().backward()
    assert packed.shape == (sum(counts), sum(model.widths))
    assert packed.isfinite().all()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_all_missing_rows_have_finite_embeddings(tiny_preset: Preset) -> None:
    schema = tiny_preset.declarations.query
    side = SideInput(
        torch.full((3, len(schema.continuous)), torch.nan),
        torch.zeros(3, len(schema.categorical), dtype=torch.long),
        torch.full((3, schema.vector_width), torch.nan),
        (1, 1, 1),
    )
    torch.manual_seed(0)
    model = Tower(schema, (8, 4, 4), TASKS, tiny_preset.model, learn_bias=False)
    assert model(side).packed.isfinite().all()
    assert model.eval()(side).packed.isfinite().all()
