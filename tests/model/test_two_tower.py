"""The whole model: scores, bias, precision, determinism."""

import math

import pytest
import torch
from torch import Tensor

from mtmd.config import Preset
from mtmd.model.batch import Batch
from mtmd.model.build import build_model
from mtmd.model.two_tower import MTMD
from tests.model.random_batches import random_batch


def mtmd(preset: Preset, **changes: object) -> MTMD:
    model = build_model("mtmd", preset.model_copy(update={"model": preset.model.model_copy(update=changes)}))
    assert isinstance(model, MTMD)
    return model


def masked_loss(log_p: Tensor, batch: Batch) -> Tensor:
    known = ~batch.teacher.isnan()
    return -(torch.where(known, batch.teacher, 0.0) * log_p).sum()


def test_scores_are_the_dot_products_along_the_tree(tiny_preset: Preset) -> None:
    model = mtmd(tiny_preset).eval()
    batch = random_batch(tiny_preset.declarations)
    queries, items = model.embed_queries(batch.query), model.embed_items(batch.item)
    logits = [
        (q[batch.pair_query] * i[batch.pair_item]).sum(dim=1) for q, i in zip(queries, items, strict=True)
    ]
    click = torch.sigmoid(logits[0])
    expected = torch.stack([click, torch.sigmoid(logits[1]) * click, torch.sigmoid(logits[2]) * click], dim=1)
    torch.testing.assert_close(model(batch).exp(), expected)


def test_the_bias_is_the_mean_conditional_logit_over_products(tiny_preset: Preset) -> None:
    model = mtmd(tiny_preset)
    nan = torch.nan
    rates = torch.tensor(
        [
            [0.2, 0.1, 0.05],
            [0.5, 0.1, nan],
            [0.2, 0.2, nan],
            [nan, nan, nan],
            [nan, nan, nan],
            [nan, nan, nan],
        ]
    )
    model.initialise_bias(rates)
    half = math.log(0.25) / 2  # mean of logit 0.2 and logit 0.5
    fifth = math.log(0.1 / 0.4) / 2  # mean of logit(0.1 / 0.2) and logit(0.1 / 0.5)
    bias = model.query.bias.detach()
    torch.testing.assert_close(bias[0], torch.tensor([half, fifth, math.log(0.25 / 0.75)]))
    torch.testing.assert_close(bias[1, 0], torch.tensor(math.log(0.25)))
    torch.testing.assert_close(bias[2, 0], bias[:2, 0].mean())  # no rate of its own: the other surfaces'
    torch.testing.assert_close(bias[1:, 2], bias[0, 2].expand(2))


def test_a_batch_does_not_change_scores_in_evaluation(tiny_preset: Preset) -> None:
    model = mtmd(tiny_preset)
    model(random_batch(tiny_preset.declarations, (30, 30, 30), (40, 40), seed=5))
    model.eval()
    batch = random_batch(tiny_preset.declarations)
    few = slice(0, 4)
    part = Batch(
        batch.query,
        batch.item,
        batch.pair_query[few],
        batch.pair_item[few],
        batch.pair_domain[few],
        batch.teacher[few],
        batch.candidate[few],
    )
    torch.testing.assert_close(model(part), model(batch)[few], atol=1e-6, rtol=0)


def test_training_in_bfloat16_gives_finite_gradients_and_float32_scores(tiny_preset: Preset) -> None:
    model = mtmd(tiny_preset)
    batch = random_batch(tiny_preset.declarations, (20, 1, 0), (30, 2))
    with torch.autocast("cpu", torch.bfloat16):
        log_p = model(batch)
    masked_loss(log_p, batch).backward()
    assert log_p.dtype == torch.float32
    assert log_p.isfinite().all()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert all(gradient.isfinite().all() for gradient in gradients.values())
    model.zero_grad()
    exact = model(batch)
    torch.testing.assert_close(log_p, exact, atol=0.05, rtol=0.05)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"statistics": "batch"},
    ],
    ids=str,
)
def test_gradients_reach_every_parameter(tiny_preset: Preset, changes: dict[str, object]) -> None:
    model = mtmd(tiny_preset, **changes)
    batch = random_batch(tiny_preset.declarations, (20, 20, 20), (30, 30))
    masked_loss(model(batch), batch).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()] == []


def test_a_pair_of_another_domain_leaves_a_domains_weights_alone(tiny_preset: Preset) -> None:
    model = mtmd(tiny_preset)
    batch = random_batch(tiny_preset.declarations)
    log_p = model(batch)
    log_p[batch.pair_query < 9].sum().backward()  # requests of the first surface only
    for surface, expert in enumerate(model.query.experts):
        moved = any(p.grad is not None and p.grad.abs().sum() > 0 for p in expert.parameters())
        assert moved == (surface == 0)
