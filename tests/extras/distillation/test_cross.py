import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mtmd.config import Preset
from mtmd.extras.distillation.cross import CrossRanker
from mtmd.extras.distillation.teaching import build_cross
from mtmd.model.layers import Stack
from tests.model.random_batches import random_batch
from tests.train.windows import with_extra

SMALL = {"tower_widths": (6,), "meeting_width": 5, "pair_widths": (7,)}


def small(preset: Preset, **changes: object) -> CrossRanker:
    return build_cross(with_extra(preset, "distillation", **(SMALL | changes)))


def normed(x: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
    return found


def layers(stack: nn.Module, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """One row through a stack whose first LayerNorm is done: LeakyReLU between the layers, none after the last."""
    assert isinstance(stack, Stack)
    for layer, (weight, bias) in enumerate(zip(stack.weights, stack.biases, strict=True)):
        x = normed(np.where(x > 0, x, 0.2 * x)) if layer else x
        x = x @ weight[0].detach().double().numpy() + bias[0, 0].detach().double().numpy()
    return x


def test_a_pairs_logits_are_those_of_both_sides_in_one_network(tiny_preset: Preset) -> None:
    """Pair by pair, as the module's docstring says; the fields of a side are taken from its tower."""
    model = small(tiny_preset).eval()
    with torch.no_grad():
        model.bias.uniform_(-3.0, -1.0)
    batch = random_batch(tiny_preset.declarations, per_request=2)
    with torch.no_grad():
        found = model(batch)
        sides = [
            tower._fields(side, side.one_hot)[0].double().numpy()
            for tower, side in ((model.query, batch.query), (model.item, batch.item))
        ]
    for pair in range(0, len(batch.candidate), 5):
        rows = (sides[0][batch.pair_query[pair]], sides[1][batch.pair_item[pair]])
        q, i = (layers(t.stack, normed(x)) for t, x in zip((model.query, model.item), rows, strict=True))
        added = q[:5] + i[:5]
        met = np.concatenate([np.where(added > 0, added, 0.2 * added), q[5:] * i[5:]])
        logits = layers(model.pair, normed(met)) + model.bias[batch.pair_domain[pair]].detach().numpy()
        ctr, gctr, octr = np.log(1 / (1 + np.exp(-logits)))
        np.testing.assert_allclose(found[pair], [ctr, gctr + ctr, octr + ctr], rtol=1e-4)


def test_it_learns_what_depends_on_both_sides_at_once(tiny_preset: Preset) -> None:
    """Clicks are likely where one number of the request has the sign of one of the ad, whatever either is alone."""
    batch = random_batch(tiny_preset.declarations, (40, 40, 40), (30, 30), per_request=12)
    of = torch.nan_to_num(batch.query.continuous[batch.pair_query, 0] - 1.0)
    ad = torch.nan_to_num(batch.item.continuous[batch.pair_item, 0] - 1.0)
    high = (of * ad > 0).float()
    model = small(tiny_preset, meeting_width=32, pair_widths=(32,))
    model.observe(batch)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(60):
        loss = nn.functional.binary_cross_entropy(model(batch)[:, 0].exp(), high)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert float(loss.detach()) < 0.2


def test_biases_start_at_the_base_rates_and_move_with_the_level(tiny_preset: Preset) -> None:
    model = small(tiny_preset)
    rates = torch.tensor([[0.2, 0.1, 0.05]]).repeat(6, 1)
    rates[1, 2] = torch.nan
    model.initialise_bias(rates)
    torch.testing.assert_close(model.bias.sigmoid(), torch.tensor([[0.2, 0.5, 0.25]]).repeat(6, 1))
    model.shift_level(torch.full((6, 3), 0.5))
    torch.testing.assert_close(model.bias, torch.logit(torch.tensor([[0.2, 0.5, 0.25]])).repeat(6, 1) + 0.5)
