"""Stacked networks, norms of numbers and the adaptation's defaults and gates, against their equations."""

import pytest
import torch
from torch.nn import functional as F

from mtmd.config import Preset
from mtmd.model.adaptation import DomainAdaptation
from mtmd.model.batch import SideInput
from mtmd.model.layers import Norm, Stack, WindowNorm, affine, normalise
from tests.model.random_batches import random_batch

NAN = torch.nan


@pytest.mark.parametrize("norm", ["pre", "post", "none"])
def test_the_last_gain_scales_the_initial_output(norm: Norm) -> None:
    x = normalise(torch.randn(200, 32))
    outputs = []
    for gain in (1.0, 0.1):
        torch.manual_seed(0)
        outputs.append(Stack(2, 32, (16, 8), norm, 0.2, last_gain=gain)(x))
    torch.testing.assert_close(outputs[1], outputs[0] * 0.1, atol=1e-5, rtol=1e-4)


def test_layer_norms_keep_bfloat16_and_have_float32_statistics() -> None:
    x = (torch.randn(10, 512) + 100).bfloat16()
    torch.testing.assert_close(normalise(x).float(), F.layer_norm(x.float(), (512,)), atol=2e-2, rtol=1e-2)
    assert affine(x, torch.ones(512), torch.zeros(512)).dtype == torch.bfloat16


def seen(norm: WindowNorm, *batches: torch.Tensor) -> WindowNorm:
    for x in batches:
        norm.observe(x, ~x.isnan())
    return norm


def test_every_value_of_the_window_counts_the_same_and_missing_ones_are_left_out() -> None:
    x = torch.tensor([[2.0], [2.0], [4.0], [4.0], [9.0], [NAN]])
    norm = seen(WindowNorm(1, min_rows=4), x[:1], x[1:4], x[4:])
    deviation = 6.56**0.5  # (2 · 2.2² + 2 · 0.2² + 4.8²) / 5
    expected = torch.tensor([-2.2, -2.2, -0.2, -0.2, 4.8, 0.0]) / deviation
    torch.testing.assert_close(norm(x, ~x.isnan()).squeeze(1), expected)


def test_a_large_mean_loses_no_precision_and_few_values_have_their_mean_square_as_variance() -> None:
    torch.manual_seed(0)
    x = (torch.randn(5000, 1).double() + 1e4).float()
    expected = (x.double() - x.double().mean()) / x.double().std(correction=0)
    norm = seen(WindowNorm(1, min_rows=32), *x.split(300))
    torch.testing.assert_close(norm(x, ~x.isnan()).double(), expected, atol=1e-5, rtol=1e-5)
    few = seen(WindowNorm(1, min_rows=4), torch.tensor([[5.0]]))
    assert few(torch.tensor([[7.0]]), torch.tensor([[True]])).item() == pytest.approx(2 / 5)


def adaptation(preset: Preset) -> DomainAdaptation:
    torch.manual_seed(0)
    return DomainAdaptation(preset.declarations.query, preset.model)


@pytest.mark.parametrize("training", [True, False])
def test_missing_values_are_the_domains_learned_default(tiny_preset: Preset, training: bool) -> None:
    model = adaptation(tiny_preset).train(training)
    schema = tiny_preset.declarations.query
    side = SideInput(
        torch.full((5, len(schema.continuous)), NAN),
        torch.zeros(5, len(schema.categorical), dtype=torch.long),
        torch.full((5, schema.vector_width), NAN),
        (2, 1, 2),
    )
    with torch.no_grad():
        for d, fields in enumerate(model.domains):
            fields.get_parameter("default").fill_(d + 1.0)
            fields.get_parameter("excite.weight").zero_()
    x = model(side)
    assert torch.equal(x, torch.tensor([1.0, 1.0, 2.0, 3.0, 3.0]).unsqueeze(1).expand_as(x))


def test_a_value_of_a_field_that_the_domain_lacks_is_ignored(tiny_preset: Preset) -> None:
    model = adaptation(tiny_preset).eval()
    side = random_batch(tiny_preset.declarations).query
    present = torch.from_numpy(tiny_preset.declarations.query.present)[side.domain]
    c, k = side.continuous.shape[1], side.categorical.shape[1]
    wild = SideInput(
        torch.where(present[:, :c], side.continuous, 7.0),
        torch.where(present[:, c : c + k], side.categorical, 1),
        side.embedding,
        side.counts,
    )
    assert torch.equal(model(wild), model(side))


def test_a_gate_closes_a_whole_field(tiny_preset: Preset) -> None:
    model = adaptation(tiny_preset).eval()
    side = random_batch(tiny_preset.declarations).query
    before = model(side)
    with torch.no_grad():
        for fields in model.domains:
            fields.get_parameter("excite.bias")[3] = -100.0
    start = sum(model.layout.widths[:3])
    after = model(side)
    assert after[:, start : start + model.layout.widths[3]].abs().max() < 1e-6
    torch.testing.assert_close(after[:, :start], before[:, :start])
