"""The rivals: independent per-slice two-towers, and the pooled two-tower."""

from dataclasses import replace

import pytest
import torch

from mtmd.config import Preset
from mtmd.model.baseline import PerSlice
from mtmd.model.batch import Batch
from mtmd.model.build import build_model
from mtmd.model.pooled import Pooled
from tests.model.random_batches import random_batch

SLICES = [(d, t) for d in range(6) for t in range(3) if not (t == 2 and d % 2 == 1)]


def per_slice(preset: Preset) -> PerSlice:
    model = build_model("per_slice", preset)
    assert isinstance(model, PerSlice)
    return model


def only(batch: Batch, domain: int) -> Batch:
    """The batch's pairs of one domain."""
    keep = batch.pair_domain == domain
    names = ("pair_query", "pair_item", "pair_domain", "teacher", "candidate")
    return replace(batch, **{name: getattr(batch, name)[keep] for name in names})


@pytest.mark.parametrize(("domain", "task"), SLICES)
def test_a_slices_loss_touches_only_its_own_parameters(tiny_preset: Preset, domain: int, task: int) -> None:
    check_own_parameters(tiny_preset, per_slice(tiny_preset), domain, task)


def check_own_parameters(preset: Preset, model: PerSlice, domain: int, task: int) -> None:
    batch = random_batch(preset.declarations, (20, 20, 20), (30, 30))
    model(batch)[batch.pair_domain == domain, task].sum().backward()
    slot = model.columns[domain].index(task)
    networks = len(model.columns[domain])
    for name, parameter in model.named_parameters():
        gradient = parameter.grad
        if not name.startswith(f"domains.{domain}."):
            assert gradient is None or gradient.abs().sum() == 0, name
            continue
        assert gradient is not None, name
        per_network = gradient.view(networks, -1).abs().sum(dim=1)  # tables stack their copies too
        assert per_network[slot] > 0, name
        assert per_network.sum() == per_network[slot], name


def test_each_domain_sees_only_its_own_rows(tiny_preset: Preset) -> None:
    batch = random_batch(tiny_preset.declarations, (20, 20, 20), (30, 30))
    for domain in (0, 3):
        mixed, alone = per_slice(tiny_preset), per_slice(tiny_preset)
        torch.testing.assert_close(
            mixed(batch)[batch.pair_domain == domain], alone(only(batch, domain)), atol=1e-6, rtol=1e-6
        )
        states = (m.domains[domain].state_dict() for m in (mixed, alone))
        for own, other in zip(*(state.values() for state in states), strict=True):
            torch.testing.assert_close(own, other)


def test_a_slice_starts_at_its_base_rate(tiny_preset: Preset) -> None:
    model = per_slice(tiny_preset)
    rates = torch.linspace(0.01, 0.3, 18).view(6, 3)
    rates[1::2, 2] = torch.nan
    model.initialise_bias(rates)
    for domain, baselines in enumerate(model.domains):
        own = rates[domain, model.columns[domain]]
        torch.testing.assert_close(torch.sigmoid(baselines.get_parameter("bias")), own)


def test_a_slice_that_the_window_never_had_starts_at_the_mean_of_its_tasks_others(
    tiny_preset: Preset,
) -> None:
    """At one half, MTMD's lead over it would be a matter of that bias alone."""
    model = per_slice(tiny_preset)
    rates = torch.full((6, 3), 0.02)
    rates[:, 1:] = 0.01
    rates[1::2, 2] = torch.nan  # shopping has no such task
    rates[2:4] = torch.nan  # nothing of search
    model.initialise_bias(rates)
    for place in (2, 3):
        bias = model.domains[place].get_parameter("bias")
        wanted = torch.tensor([0.02, 0.01, 0.01])[model.columns[place]]
        torch.testing.assert_close(torch.sigmoid(bias), wanted)


def test_the_pooled_model_starts_at_the_base_rates_and_follows_the_tree(tiny_preset: Preset) -> None:
    model = build_model("pooled", tiny_preset)
    rates = torch.tensor([[0.1, 0.05, 0.02], [0.2, 0.02, torch.nan]]).repeat(3, 1)
    model.initialise_bias(rates)
    batch = random_batch(tiny_preset.declarations, (20, 20, 20), (30, 30))
    log_p = model(batch)
    assert (log_p[:, 0] >= log_p[:, 1:].amax(dim=1)).all()
    for domain in (0, 1):
        mean = log_p[batch.pair_domain == domain, :2].mean(dim=0)
        assert (mean - rates[domain, :2].log()).abs().max() < 0.4


@pytest.mark.parametrize("kind", ["per_slice", "pooled"])
@pytest.mark.parametrize("statistics", ["window", "batch"])
@pytest.mark.parametrize("counts", [((9, 0, 1), (5, 1)), ((0, 1, 0), (0, 3))])
def test_small_and_empty_domains_train_in_either_precision(
    tiny_preset: Preset, kind: str, statistics: str, counts: tuple[tuple[int, ...], tuple[int, ...]]
) -> None:
    model = build_model(
        "per_slice" if kind == "per_slice" else "pooled", with_model(tiny_preset, statistics=statistics)
    )
    batch = random_batch(tiny_preset.declarations, *counts)
    for precision in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision):
            log_p = model(batch)
        log_p.sum().backward()
        assert log_p.dtype == torch.float32
        assert log_p.isfinite().all()
        assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def with_model(preset: Preset, **changes: object) -> Preset:
    return preset.model_copy(update={"model": preset.model.model_copy(update=changes)})


def test_the_rivals_numbers_are_normalised_as_the_model_says(tiny_preset: Preset) -> None:
    batch = random_batch(tiny_preset.declarations, (20, 20, 20), (30, 30))

    def numbers(**changes: object) -> torch.Tensor:
        """What the pooled query tower reads of the numbers, with defaults of 0."""
        model = build_model("pooled", with_model(tiny_preset, **changes))
        assert isinstance(model, Pooled)
        return model.query._fields(batch.query, None)[0, :, : len(model.query.columns)]

    raw = torch.cat([batch.query.continuous, batch.query.embedding], dim=1)
    seen = ~raw.isnan()
    by_batch = numbers(statistics="batch")
    count = seen.sum(dim=0)
    torch.testing.assert_close(by_batch.sum(dim=0), torch.zeros(len(count)), atol=1e-4, rtol=0)
    torch.testing.assert_close(by_batch.square().sum(dim=0) / count, torch.ones(len(count)))


@pytest.mark.parametrize("kind", ["per_slice", "pooled"])
def test_in_evaluation_scores_do_not_depend_on_other_pairs(tiny_preset: Preset, kind: str) -> None:
    preset = with_model(tiny_preset, statistics="batch")
    model = build_model("per_slice" if kind == "per_slice" else "pooled", preset)
    model(random_batch(tiny_preset.declarations, (30, 30, 30), (40, 40), seed=4))
    model.eval()
    batch = random_batch(tiny_preset.declarations)
    torch.testing.assert_close(
        model(only(batch, 2)), model(batch)[batch.pair_domain == 2], atol=1e-6, rtol=1e-6
    )
