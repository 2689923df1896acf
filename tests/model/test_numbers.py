"""Encodings of numbers, by hand."""

import pytest
import torch
from torch import Tensor

from mtmd.config import Feature, Preset
from mtmd.config.features import Encoding
from mtmd.model.build import ModelKind, build_model
from mtmd.model.fields import EncodedNumbers
from mtmd.model.numbers import NumberEncoding, encode
from tests.model.listed import listed_preset
from tests.model.random_batches import random_batch

NAN, INF = torch.nan, torch.inf
WINDOW = [1.0, 1.0, 3.0, 3.0, 7.0, 7.0, NAN]  # three bins: from 1, from 3, from 7


def encoding(kind: Encoding, values: list[float], bins: int = 3, copies: int = 1) -> NumberEncoding:
    """Of the second of two columns; the first must not be looked at."""
    feature = Feature(name="x", side="query", kind="continuous", encoding=kind, bins=bins, width=2)
    torch.manual_seed(0)
    made = NumberEncoding(EncodedNumbers(kind, bins, 2, (feature,), (1,)), copies)
    made.observe(column(values))
    return made


def column(values: list[float]) -> Tensor:
    return torch.tensor([[99.0, value] for value in values]).view(-1, 2)


def encoded(made: NumberEncoding, values: list[float]) -> list[list[float]]:
    rows: list[list[float]] = encode(column(values)[:, 1:], *made.pieces())[:, 0].tolist()
    return rows


def test_bins_have_one_for_the_bin_of_the_value() -> None:
    made = encoding("bins", WINDOW)
    assert made.edges.tolist() == [[1.0, 3.0, 7.0, INF]]
    below, first, second, third = 0.9, [1.0, 2.9], [3.0, 6.9], [7.0, 8.0, 1e30, INF]
    assert encoded(made, [-INF, -1e30, below, *first]) == [[1, 0, 0]] * 5
    assert encoded(made, second) == [[0, 1, 0]] * 2
    assert encoded(made, third) == [[0, 0, 1]] * 4
    values, known = made(column([3.0, NAN]))
    assert torch.equal(values[0, 0, 0], made.weight[0, 0, 1])
    assert known.tolist() == [[True], [False]]


def test_piecewise_is_linear_within_each_bin_and_flat_outside() -> None:
    made = encoding("piecewise", [0.0, 1.0, 2.0, 4.0, 8.0, 16.0])  # bins from 0, from 2 and from 8, to 16
    assert made.edges.tolist() == [[0.0, 2.0, 8.0, 16.0]]
    assert encoded(made, [-INF, -5.0, 0.0]) == [[0, 0, 0]] * 3
    assert encoded(made, [0.5, 2.0]) == [[0.25, 0, 0], [1, 0, 0]]
    assert encoded(made, [8.0, 10.0]) == [[1, 1, 0], [1, 1, 0.25]]
    assert encoded(made, [5.0])[0] == pytest.approx([1, 0.5, 0])
    assert encoded(made, [16.0, 17.0, 1e30, INF]) == [[1, 1, 1]] * 4
    assert encoded(made, [NAN]) == [[0, 0, 0]]  # so that no gradient is NaN
    with torch.no_grad():
        made.weight.copy_(torch.tensor([[[[1.0, 0.0], [2.0, 0.0], [0.0, 4.0]]]]))
        assert made.bias is not None
        made.bias.fill_(10.0)
    values, known = made(column([5.0, 17.0, NAN]))
    torch.testing.assert_close(values[0, :2, 0], torch.tensor([[12.0, 10.0], [13.0, 14.0]]))
    assert known.tolist() == [[True], [True], [False]]


@pytest.mark.parametrize("kind", ["bins", "piecewise"])
def test_a_feature_of_few_values_has_fewer_bins(kind: Encoding) -> None:
    """One value: every value is in its only bin, and nothing lies between two edges."""
    constant, two = encoding(kind, [5.0] * 9), encoding(kind, [0.0] * 9 + [1.0])
    assert constant.edges.tolist() == [[5.0, INF, INF, INF]]
    assert two.edges.tolist() == [[0.0, 1.0, INF, INF]]
    if kind == "bins":
        assert encoded(constant, [-1.0, 5.0, 1e30]) == [[1, 0, 0]] * 3
        assert encoded(two, [0.0, 0.5, 1.0]) == [[1, 0, 0], [1, 0, 0], [0, 1, 0]]
    else:
        assert encoded(constant, [-1.0, 5.0, 1e30]) == [[0, 0, 0]] * 3
        assert encoded(two, [0.0, 0.5, 1.0]) == [[0, 0, 0], [0.5, 0, 0], [1, 0, 0]]


@pytest.mark.parametrize("kind", ["bins", "piecewise"])
def test_a_feature_that_the_window_never_had_is_missing(kind: Encoding) -> None:
    values, known = encoding(kind, [NAN, NAN])(column([1.0, NAN]))
    assert known.tolist() == [[False], [False]]
    assert values.isfinite().all()


def test_values_near_the_largest_and_edges_very_close_stay_finite() -> None:
    made = encoding("piecewise", [-3.4e38, 0.0, 1e-45, 3.4e38], bins=4)
    rows = torch.tensor(encoded(made, [-3.4e38, -1e38, 0.0, 1e-45, 1e38, NAN, INF]))
    assert rows.isfinite().all()
    assert ((rows >= 0.0) & (rows <= 1.0)).all()


@pytest.mark.parametrize("kind", ["bins", "piecewise"])
def test_copies_share_edges_and_learn_on_their_own_from_known_values_alone(kind: Encoding) -> None:
    made = encoding(kind, WINDOW, copies=2)
    values, known = made(column([3.0, NAN, 9.0]))
    assert values.shape == (2, 3, 1, 2)
    torch.where(known[None, :, :, None], values, 0.0)[1].sum().backward()
    gradient = made.weight.grad
    assert gradient is not None
    assert not gradient[0].any()
    wanted = [0.0, 1.0, 1.0] if kind == "bins" else [2.0, 1.0, 0.0]  # edges 1, 3, 7: two pieces
    assert gradient[1, 0, :, 0].tolist() == wanted


def numbers_of(preset: Preset, kind: ModelKind) -> dict[str, Tensor]:
    model = build_model(kind, preset)
    for seed in (0, 1):
        model.observe(random_batch(preset.declarations, seed=seed))
    return {name: tensor for name, tensor in model.state_dict().items() if ".encodings." in name}


@pytest.mark.parametrize("kind", ["mtmd", "per_slice", "pooled"])
def test_every_model_learns_encodings_and_stores_their_edges(kind: ModelKind) -> None:
    preset = listed_preset()
    model = build_model(kind, preset)
    batch = random_batch(preset.declarations, query_counts=(30, 30, 30), item_counts=(40, 40))
    model.observe(batch)
    log_p = model(batch)
    log_p.exp().nansum().backward()  # type: ignore[no-untyped-call]
    own = {name: p for name, p in model.named_parameters() if ".encodings." in name}
    assert {name.rpartition(".")[2] for name in own} == {"weight", "bias"}
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in own.values())
    stored = numbers_of(preset, kind)
    assert any(name.endswith(".edges") for name in stored)
    assert not any("_seen" in name for name in stored)
    other = build_model(kind, preset)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(batch), log_p)


def test_values_of_domains_without_the_feature_make_no_edges() -> None:
    preset = listed_preset()
    model = build_model("mtmd", preset)
    batch = random_batch(preset.declarations, query_counts=(5, 0, 5))  # rank is a feature of search alone
    batch.query.continuous[:, 3] = 7.0
    model.observe(batch)
    edges = dict(model.named_buffers())["query.adaptation.encodings.groups.1.edges"]
    assert edges[0, 0].isfinite()
    assert edges[1].isinf().all()


def test_models_without_encodings_have_nothing_of_them(tiny_preset: Preset) -> None:
    assert not any("encodings" in name for name in build_model("mtmd", tiny_preset).state_dict())
