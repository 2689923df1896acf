"""Pooled embeddings, worked out by hand."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mtmd.config import Feature
from mtmd.config.features import Pooling
from mtmd.model.batch import ListInput
from mtmd.model.pooling import Attention, ListPooling

TABLE = torch.tensor([[9.0, 9.0], [1.0, -2.0], [3.0, 4.0], [5.0, 0.0]])
LISTS = ListInput(torch.tensor([1, 2, 2, 3]), torch.tensor([0, 3, 1]), None)  # [], [1, 2, 2], [3]
WEIGHTED = ListInput(LISTS.ids, torch.tensor([3, 0, 1]), torch.tensor([1.0, 0.0, 3.0, 0.0]))


def of(lists: ListInput, pooling: Pooling, table: Tensor = TABLE) -> tuple[list[list[float]], list[bool]]:
    values, known = pool(pooling)(table, lists.ids[None], lists, sparse=False)
    return values[0].tolist(), known.tolist()


def pool(pooling: Pooling, copies: int = 1, **companions: str) -> ListPooling:
    feature = {"name": "f", "side": "query", "kind": "categorical", "buckets": 3, "width": 2, "multi": True}
    return ListPooling(
        Feature.model_validate(feature | {"max_length": 5, "pooling": pooling} | companions), copies
    )


@pytest.mark.parametrize(
    ("pooling", "values"),
    [
        ("mean", [[0, 0], [7 / 3, 2], [5, 0]]),
        ("sum", [[0, 0], [7, 6], [5, 0]]),
        ("max", [[0, 0], [3, 4], [5, 0]]),
    ],
)
def test_a_list_is_the_mean_sum_or_largest_of_its_values(pooling: Pooling, values: list[list[float]]) -> None:
    found, known = of(LISTS, pooling)
    assert found == [pytest.approx(row) for row in values]
    assert known == [False, True, True]


@pytest.mark.parametrize(("pooling", "first"), [("mean", [2.5, 2.5]), ("sum", [10.0, 10.0])])
def test_weights_count_and_a_list_whose_weights_are_0_is_missing(
    pooling: Pooling, first: list[float]
) -> None:
    found, known = of(WEIGHTED, pooling)
    assert found == [pytest.approx(first), [0, 0], [0, 0]]
    assert known == [True, False, False]


def test_the_largest_of_negative_values_is_negative() -> None:
    assert of(LISTS, "max", -TABLE)[0] == [[0, 0], [-1, 2], [-5, 0]]


@pytest.mark.parametrize("pooling", ["mean", "sum", "max"])
def test_no_values_and_no_rows_are_no_trouble(pooling: Pooling) -> None:
    nothing = torch.zeros(0, dtype=torch.long)
    assert of(ListInput(nothing, torch.tensor([0, 0]), None), pooling) == ([[0, 0], [0, 0]], [False, False])
    assert of(ListInput(nothing, nothing, None), pooling) == ([], [])


@pytest.mark.parametrize("pooling", ["mean", "sum", "max"])
def test_copies_are_pooled_apart_and_gradients_are_of_the_rows_that_were_read(pooling: Pooling) -> None:
    table = torch.cat([TABLE, TABLE + 1]).requires_grad_()
    rows = LISTS.ids + torch.tensor([[0], [4]])
    values, _ = pool(pooling, copies=2)(table, rows, LISTS, sparse=True)
    assert values[1, 2].tolist() == [6, 1]
    values.sum().backward()
    assert table.grad is not None
    assert table.grad.is_sparse
    gradient = table.grad.to_dense()
    expected = {"mean": [0, 1 / 3, 2 / 3, 1], "sum": [0, 1, 2, 1], "max": [0, 0, 1, 1]}[pooling] * 2
    torch.testing.assert_close(gradient.sum(dim=1) / 2, torch.tensor(expected, dtype=torch.float32))


def test_rows_are_taken_with_their_values() -> None:
    lists = WEIGHTED.take(torch.tensor([2, 0, 2]))
    assert (lists.ids.tolist(), lists.lengths.tolist()) == ([3, 1, 2, 2, 3], [1, 3, 1])
    assert lists.weights is not None
    assert lists.weights.tolist() == [0.0, 1.0, 0.0, 3.0, 0.0]


def attended(attention: Attention, lists: ListInput = LISTS) -> tuple[Tensor, Tensor]:
    pooling = pool("attention")
    pooling.attention = attention
    values, known = pooling(TABLE, lists.ids[None], lists, sparse=False)
    return values, known


def test_attention_starts_as_the_mean() -> None:
    values, known = attended(Attention(1, 2))
    torch.testing.assert_close(values[0], torch.tensor([[0.0, 0.0], [7 / 3, 2.0], [5.0, 0.0]]))
    assert known.tolist() == [False, True, True]


def test_attention_weighs_values_by_a_softmax_of_their_scores() -> None:
    """Here a score is 2 tanh of an embedding's first component."""
    attention = Attention(1, 2)
    with torch.no_grad():
        attention.weight.copy_(torch.tensor([[[1.0, 0.0], [0.0, 0.0]]]))
        attention.query.copy_(torch.tensor([[[2.0], [0.0]]]))
    values, _ = attended(attention)
    low, high = (math.exp(2 * math.tanh(first)) for first in (1.0, 3.0))
    share = low / (low + 2 * high)
    expected = [share * 1 + (1 - share) * 3, share * -2 + (1 - share) * 4]
    assert values[0, 1].tolist() == pytest.approx(expected)
    with torch.no_grad():
        attention.query.mul_(1e4)  # far beyond what exp can hold
    assert attended(attention)[0][0, 1].tolist() == pytest.approx([3.0, 4.0])


def test_attention_of_no_values_is_missing_and_its_weights_learn() -> None:
    nothing = torch.zeros(0, dtype=torch.long)
    attention = Attention(1, 2)
    values, known = attended(attention, ListInput(nothing, torch.tensor([0]), None))
    assert (values.tolist(), known.tolist()) == ([[[0, 0]]], [False])
    attended(attention)[0].square().sum().backward()
    assert attention.query.grad is not None
    assert attention.query.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("pooling", "values"), [("mean", [7 / 3 + 20, 2.0]), ("sum", [67.0, 6.0]), ("max", [33.0, 4.0])]
)
def test_actions_and_ages_add_to_each_value_and_start_at_0(pooling: Pooling, values: list[float]) -> None:
    """Here action 1 adds 10 to the first component and age 2 adds 20, to the middle and the last value."""
    noted = replace(LISTS, actions=torch.tensor([0, 1, 1, 0]), ages=torch.tensor([1, 2, 2, 1]))
    model = pool(pooling, actions="deeds", ages="hours")
    start, _ = model(TABLE, LISTS.ids[None], noted, sparse=False)
    assert start[0].tolist() == [pytest.approx(row) for row in of(LISTS, pooling)[0]]
    with torch.no_grad():
        assert model.actions is not None
        assert model.ages is not None
        model.actions[0, 1, 0], model.ages[0, 2, 0] = 10.0, 20.0
    found, _ = model(TABLE, LISTS.ids[None], noted, sparse=False)
    assert found[0, 1].tolist() == pytest.approx(values)
