"""Pooled embeddings, worked out by hand."""

import pytest
import torch
from torch import Tensor

from mtmd.features import MultiValued
from mtmd.model.batch import ListInput
from mtmd.model.pooling import Attention, ListPooling

TABLE = torch.tensor([[9.0, 9.0], [1.0, -2.0], [3.0, 4.0], [5.0, 0.0]])
LISTS = ListInput(torch.tensor([1, 2, 2, 3]), torch.tensor([0, 3, 1]), None)  # [], [1, 2, 2], [3]
WEIGHTED = ListInput(LISTS.ids, torch.tensor([3, 0, 1]), torch.tensor([1.0, 0.0, 3.0, 0.0]))


def of(lists: ListInput, pooling: str, table: Tensor = TABLE) -> tuple[list[list[float]], list[bool]]:
    values, known = pool(pooling)(table, lists.ids[None], lists, sparse=False)
    return values[0].tolist(), known.tolist()


def pool(pooling: str, copies: int = 1, **companions: str) -> ListPooling:
    lists = MultiValued(
        name="f", side="query", buckets=3, width=2, max_length=5, pooling=pooling, **companions
    )
    return ListPooling(lists, copies)


@pytest.mark.parametrize(("pooling", "first"), [("mean", [2.5, 2.5]), ("sum", [10.0, 10.0])])
def test_weights_count_and_a_list_whose_weights_are_0_is_missing(pooling: str, first: list[float]) -> None:
    found, known = of(WEIGHTED, pooling)
    assert found == [pytest.approx(first), [0, 0], [0, 0]]
    assert known == [True, False, False]


@pytest.mark.parametrize("pooling", ["mean", "sum"])
def test_no_values_and_no_rows_are_no_trouble(pooling: str) -> None:
    nothing = torch.zeros(0, dtype=torch.long)
    assert of(ListInput(nothing, torch.tensor([0, 0]), None), pooling) == ([[0, 0], [0, 0]], [False, False])
    assert of(ListInput(nothing, nothing, None), pooling) == ([], [])


@pytest.mark.parametrize("pooling", ["mean", "sum"])
def test_copies_are_pooled_apart_and_gradients_are_of_the_rows_that_were_read(pooling: str) -> None:
    table = torch.cat([TABLE, TABLE + 1]).requires_grad_()
    rows = LISTS.ids + torch.tensor([[0], [4]])
    values, _ = pool(pooling, copies=2)(table, rows, LISTS, sparse=True)
    assert values[1, 2].tolist() == [6, 1]
    values.sum().backward()
    assert table.grad is not None
    assert table.grad.is_sparse
    gradient = table.grad.to_dense()
    expected = {"mean": [0, 1 / 3, 2 / 3, 1], "sum": [0, 1, 2, 1]}[pooling] * 2
    torch.testing.assert_close(gradient.sum(dim=1) / 2, torch.tensor(expected, dtype=torch.float32))


def attended(attention: Attention, lists: ListInput = LISTS) -> tuple[Tensor, Tensor]:
    pooling = pool("attention")
    pooling.attention = attention
    values, known = pooling(TABLE, lists.ids[None], lists, sparse=False)
    return values, known


def test_attention_starts_as_the_mean() -> None:
    values, known = attended(Attention(1, 2))
    torch.testing.assert_close(values[0], torch.tensor([[0.0, 0.0], [7 / 3, 2.0], [5.0, 0.0]]))
    assert known.tolist() == [False, True, True]


def test_attention_of_no_values_is_missing_and_its_weights_learn() -> None:
    nothing = torch.zeros(0, dtype=torch.long)
    attention = Attention(1, 2)
    values, known = attended(attention, ListInput(nothing, torch.tensor([0]), None))
    assert (values.tolist(), known.tolist()) == ([[[0, 0]]], [False])
    attended(attention)[0].square().sum().backward()
    assert attention.query.grad is not None
    assert attention.query.grad.abs().sum() > 0
