"""MTMD and its rivals as models: how they start, what they score, and what their gradients touch."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mtmd.config import Preset
from mtmd.model.batch import Batch
from mtmd.model.mtmd.network import MTMD
from mtmd.model.per_slice.network import PerSlice
from mtmd.model.ranker import build_model
from tests.model.random_batches import random_batch
from tests.train.windows import with_training

KINDS = ("mtmd", "per_slice", "pooled")
NAN = torch.nan


def mtmd(preset: Preset) -> MTMD:
    model = build_model("mtmd", preset)
    assert isinstance(model, MTMD)
    return model


def per_slice(preset: Preset) -> PerSlice:
    model = build_model("per_slice", preset)
    assert isinstance(model, PerSlice)
    return model


def masked_loss(log_p: Tensor, batch: Batch) -> Tensor:
    return -(batch.teacher.nan_to_num(nan=0.0) * log_p).sum()


# ---- how they start ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_decides_the_weights_and_the_global_generator_is_left_alone(
    tiny_preset: Preset, kind: str
) -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = build_model(kind, tiny_preset)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    second, other = (build_model(kind, with_training(tiny_preset, seed=seed)) for seed in (0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


def test_the_bias_is_the_mean_conditional_logit_over_products(tiny_preset: Preset) -> None:
    model = mtmd(tiny_preset)
    rates = [[0.2, 0.1, 0.05], [0.5, 0.1, NAN], [0.2, 0.2, NAN], *([[NAN] * 3] * 3)]
    model.initialise_bias(torch.tensor(rates))
    half = math.log(0.25) / 2  # mean of logit 0.2 and logit 0.5
    fifth = math.log(0.1 / 0.4) / 2  # mean of logit(0.1 / 0.2) and logit(0.1 / 0.5)
    bias = model.query.bias.detach()
    torch.testing.assert_close(bias[0], torch.tensor([half, fifth, math.log(0.25 / 0.75)]))
    torch.testing.assert_close(bias[1, 0], torch.tensor(math.log(0.25)))
    torch.testing.assert_close(bias[2, 0], bias[:2, 0].mean())  # no rate of its own: the other surfaces'
    torch.testing.assert_close(bias[1:, 2], bias[0, 2].expand(2))


def test_a_slice_starts_at_its_base_rate_and_one_without_a_rate_at_the_mean_of_its_tasks_others(
    tiny_preset: Preset,
) -> None:
    model = per_slice(tiny_preset)
    rates = torch.tensor([0.02, 0.01, 0.03]).repeat(6, 1)
    rates[1::2, 2] = NAN  # shopping has no such task
    rates[2:4] = NAN  # nothing of search
    model.initialise_bias(rates)
    for place, columns in enumerate(model.columns):
        bias = model.domains[place].get_parameter("bias")
        torch.testing.assert_close(torch.sigmoid(bias), torch.tensor([0.02, 0.01, 0.03])[columns])


def test_the_pooled_model_starts_at_the_base_rates_and_follows_the_tree(tiny_preset: Preset) -> None:
    model = build_model("pooled", tiny_preset)
    rates = torch.tensor([[0.1, 0.05, 0.02], [0.2, 0.02, NAN]]).repeat(3, 1)
    model.initialise_bias(rates)
    batch = random_batch(tiny_preset.declarations, (20, 20, 20), (30, 30))
    log_p = model(batch)
    assert (log_p[:, 0] >= log_p[:, 1:].amax(dim=1)).all()
    for domain in (0, 1):
        mean = log_p[batch.pair_domain == domain, :2].mean(dim=0)
        assert (mean - rates[domain, :2].log()).abs().max() < 0.4


# ---- what they score -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_in_evaluation_scores_do_not_depend_on_other_pairs(tiny_preset: Preset, kind: str) -> None:
    model = build_model(kind, tiny_preset)
    model.observe(random_batch(tiny_preset.declarations, (30, 30, 30), (40, 40), seed=4))
    model.eval()
    batch = random_batch(tiny_preset.declarations)
    mine = torch.nonzero(batch.pair_domain == 2).squeeze(1)
    names = ("pair_query", "pair_item", "pair_domain", "teacher", "candidate")
    alone = replace(batch, **{name: getattr(batch, name)[mine] for name in names})
    torch.testing.assert_close(model(alone), model(batch)[mine], atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("counts", [((9, 0, 1), (5, 1)), ((0, 1, 0), (0, 3)), ((20, 20, 20), (30, 2))])
def test_small_and_empty_domains_train_in_either_precision(
    tiny_preset: Preset, kind: str, counts: tuple[tuple[int, ...], tuple[int, ...]]
) -> None:
    model = build_model(kind, tiny_preset)
    batch = random_batch(tiny_preset.declarations, *counts)
    scores = []
    for low in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            log_p = model(batch)
        masked_loss(log_p, batch).backward()
        assert log_p.dtype == torch.float32
        assert log_p.isfinite().all()
        assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
        scores.append(log_p)
    torch.testing.assert_close(scores[1], scores[0], atol=0.1, rtol=0.1)


# ---- what gradients touch ------------------------------------------------------------------------


def test_gradients_reach_every_parameter_and_no_expert_of_another_domain(tiny_preset: Preset) -> None:
    model = mtmd(tiny_preset)
    batch = random_batch(tiny_preset.declarations, (20, 20, 20), (30, 30))
    masked_loss(model(batch), batch).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()] == []
    model.zero_grad()
    model(batch)[batch.pair_query < 20].sum().backward()  # requests of the first surface only
    for surface, expert in enumerate(model.query.experts):
        moved = any(p.grad is not None and p.grad.abs().sum() > 0 for p in expert.parameters())
        assert moved == (surface == 0)


@pytest.mark.parametrize(("domain", "task"), [(0, 0), (0, 2), (3, 1), (4, 2), (5, 0)])
def test_a_slices_loss_touches_only_its_own_parameters(tiny_preset: Preset, domain: int, task: int) -> None:
    model = per_slice(tiny_preset)
    batch = random_batch(tiny_preset.declarations, (20, 20, 20), (30, 30))
    model(batch)[batch.pair_domain == domain, task].sum().backward()
    slot, networks = model.columns[domain].index(task), len(model.columns[domain])
    for name, parameter in model.named_parameters():
        gradient = parameter.grad
        if not name.startswith(f"domains.{domain}."):
            assert gradient is None or gradient.abs().sum() == 0, name
            continue
        assert gradient is not None, name
        per_network = gradient.view(networks, -1).abs().sum(dim=1)  # tables stack their copies too
        assert per_network[slot] > 0, name
        assert per_network.sum() == per_network[slot], name
