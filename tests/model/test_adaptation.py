"""Per-domain norms with missing values, learned defaults, SE gates."""

import pytest
import torch
from torch import Tensor

from mtmd.config import Preset
from mtmd.model.adaptation import CLIP, DomainAdaptation, WindowNorm
from mtmd.model.batch import SideInput
from tests.model.random_batches import random_batch

NAN = torch.nan


def seen(norm: WindowNorm, *batches: Tensor) -> WindowNorm:
    for x in batches:
        norm.observe(x, ~x.isnan())
    return norm


def normalised(norm: WindowNorm, x: Tensor) -> Tensor:
    result: Tensor = norm(x, ~x.isnan())
    return result


def adaptation(preset: Preset) -> DomainAdaptation:
    torch.manual_seed(0)
    return DomainAdaptation(preset.declarations.query, preset.model)


def test_statistics_leave_missing_values_out() -> None:
    x = torch.tensor([[1.0], [NAN], [3.0], [NAN]])
    z = normalised(seen(WindowNorm(1, min_rows=2), x), x)
    torch.testing.assert_close(z, torch.tensor([[-1.0], [0.0], [1.0], [0.0]]))


def test_every_value_of_the_window_counts_the_same_whatever_its_batch() -> None:
    x = torch.tensor([[2.0], [2.0], [4.0], [4.0], [9.0], [NAN]])
    norm = seen(WindowNorm(1, min_rows=4), x[:1], x[1:4], x[4:])
    centre, scale, shift = norm.frozen()
    assert (centre.double() - shift / scale).item() == pytest.approx(4.2, rel=1e-6)
    assert scale.item() == pytest.approx(6.56**-0.5, rel=1e-6)  # (2 · 2.2² + 2 · 0.2² + 4.8²) / 5


@pytest.mark.parametrize("training", [True, False])
def test_a_batch_changes_nothing_about_how_it_is_normalised(training: bool) -> None:
    norm = seen(WindowNorm(1, min_rows=2), torch.tensor([[1.0], [3.0]])).train(training)
    for x, z in ((1.0, -1.0), (6.0, 4.0)):
        assert normalised(norm, torch.tensor([[x]])).item() == pytest.approx(z)


def test_a_column_known_from_one_row_only_does_not_blow_other_rows_up() -> None:
    norm = seen(WindowNorm(1, min_rows=32), torch.tensor([[5.0]]))
    assert normalised(norm, torch.tensor([[7.0]])).item() == pytest.approx(2 / 5)


def test_a_large_mean_loses_no_precision() -> None:
    torch.manual_seed(0)
    x = (torch.randn(5000, 1).double() + 1e4).float()
    expected = (x.double() - x.double().mean()) / x.double().std(correction=0)
    norm = seen(WindowNorm(1, min_rows=32), *x.split(300))
    torch.testing.assert_close(normalised(norm, x).double(), expected, atol=1e-5, rtol=1e-5)


def test_a_column_never_seen_gives_zeros_and_no_nan() -> None:
    x = torch.tensor([[1.0, NAN], [2.0, NAN]])
    norm = seen(WindowNorm(2, min_rows=2), x)
    assert torch.equal(normalised(norm, x)[:, 1], torch.zeros(2))
    assert normalised(norm, torch.tensor([[1.0, 3.0]]))[0, 1].item() == pytest.approx(3.0)


def test_a_constant_column_and_a_wild_value_stay_finite() -> None:
    norm = seen(WindowNorm(1, min_rows=2), torch.full((40, 1), 0.1))
    torch.testing.assert_close(normalised(norm, torch.full((40, 1), 0.1)), torch.zeros(40, 1))
    assert normalised(norm, torch.tensor([[1e30]])).item() == CLIP


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
