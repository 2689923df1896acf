"""Pooled embeddings, worked out by hand."""

import pytest
import torch

from mtmd.features import MultiValued
from mtmd.model.batch import ListInput
from mtmd.model.layers import ListPooling

TABLE = torch.tensor([[9.0, 9.0], [1.0, -2.0], [3.0, 4.0], [5.0, 0.0]])
LISTS = ListInput(torch.tensor([1, 2, 2, 3]), torch.tensor([0, 3, 1]))  # [], [1, 2, 2], [3]


def pool(pooling: str, copies: int = 1) -> ListPooling:
    lists = MultiValued(name="f", side="query", buckets=3, width=2, max_length=5, pooling=pooling)
    return ListPooling(lists, copies)


@pytest.mark.parametrize("pooling", ["mean", "attention"])
def test_copies_are_pooled_apart_and_gradients_are_of_the_rows_that_were_read(pooling: str) -> None:
    """Attention starts as the mean."""
    table = torch.cat([TABLE, TABLE + 1]).requires_grad_()
    rows = LISTS.ids + torch.tensor([[0], [4]])
    values = pool(pooling, copies=2)(table, rows, LISTS, sparse=True)
    torch.testing.assert_close(values[1, 1:], torch.tensor([[10 / 3, 3], [6, 1]]))
    values.sum().backward()
    assert table.grad is not None
    assert table.grad.is_sparse
    gradient = table.grad.to_dense()
    expected = torch.tensor([0, 1 / 3, 2 / 3, 1] * 2)
    torch.testing.assert_close(gradient.sum(dim=1) / 2, expected)


@pytest.mark.parametrize("pooling", ["mean", "attention"])
def test_no_values_and_no_rows_are_no_trouble(pooling: str) -> None:
    nothing = torch.zeros(0, dtype=torch.long)
    for lengths in (torch.tensor([0, 0]), nothing):
        lists = ListInput(nothing, lengths)
        values = pool(pooling)(TABLE, lists.ids[None], lists, sparse=False)
        assert values[0].tolist() == [[0, 0]] * len(lengths)
