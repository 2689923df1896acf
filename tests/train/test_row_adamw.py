"""Against torch's AdamW on dense gradients: the same weights, however long a row was not read."""

import copy
import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from mtmd.config import Preset
from mtmd.model.batch import Batch
from mtmd.model.fields import FieldLayout, FieldTables, Owned
from mtmd.train.optimizer import RowAdamW
from mtmd.train.table_block import BETAS, EPSILON, HORIZON
from tests.model.listed import listed_preset
from tests.model.random_batches import random_batch

COPIES = 2


class Scorer(nn.Module):
    """The smallest model with tables: a linear layer over the first table's embeddings."""

    def __init__(self, preset: Preset) -> None:
        super().__init__()
        layout = FieldLayout(preset.declarations.query)
        self.tables = FieldTables(layout, COPIES)
        self.linear = nn.Linear(layout.tables[0].width, 1)
        self.categorical = len(preset.declarations.query.categorical)

    def forward(self, categorical: Tensor) -> Tensor:
        value: Tensor = self.linear(self.tables(categorical)[0][0]).mean()
        return value


@pytest.fixture
def scorer(tiny_preset: Preset) -> Scorer:
    torch.manual_seed(0)
    return Scorer(tiny_preset)


def batches(scorer: Scorer, steps: int) -> Iterator[Tensor]:
    """Four rows with ids 0 to 7, and every hundredth step ids up to 15: rows that rest for long."""
    random = torch.Generator().manual_seed(1)
    for step in range(steps):
        high = 16 if step % 100 == 0 else 8
        yield torch.randint(high, (4, scorer.categorical), generator=random)


def learning_rate(step: int) -> float:
    return 1e-2 * (1.0 + 0.5 * math.sin(step / 7.0))


def train(model: Scorer, optimizer: torch.optim.Optimizer, steps: int) -> None:
    for step, batch in enumerate(batches(model, steps)):
        optimizer.param_groups[0]["lr"] = learning_rate(step)
        optimizer.zero_grad(set_to_none=True)
        (model(batch) - 3.0).square().backward()
        optimizer.step()


@pytest.mark.parametrize("steps", [1, 3, 250, HORIZON + 200])
def test_after_settling_weights_are_those_of_dense_adamw(scorer: Scorer, steps: int) -> None:
    dense = copy.deepcopy(scorer)
    plain = torch.optim.AdamW(dense.parameters(), lr=1e-2, betas=BETAS, eps=EPSILON, weight_decay=0.0)
    rows = RowAdamW([{"params": list(scorer.parameters()), "weight_decay": 0.0}], scorer, 1e-2)
    before = [parameter.detach().clone() for parameter in scorer.parameters()]
    train(dense, plain, steps)
    train(scorer, rows, steps)
    rows.close()
    for own, expected in zip(scorer.parameters(), dense.parameters(), strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-4, atol=2e-6)
    assert float((scorer.tables.tables[0].detach() - before[0]).abs().max()) > 5e-3


def test_a_row_rests_until_it_is_read_or_all_are_settled(scorer: Scorer) -> None:
    optimizer = RowAdamW([{"params": list(scorer.parameters()), "weight_decay": 0.0}], scorer, 1e-2)
    table = scorer.tables.tables[0]
    train(scorer, optimizer, 1)  # ids 0 to 15
    first = table.detach().clone()
    high = torch.full((1, scorer.categorical), 9)
    for _ in range(3):
        optimizer.zero_grad(set_to_none=True)
        scorer(high).backward()
        optimizer.step()
    moved = (table != first).any(dim=1)
    assert moved.sum() == COPIES * len(scorer.tables.layout[0].features)  # id 9 of each feature, in each copy
    scorer(next(batches(scorer, 1)))
    assert (table != first).any(dim=1).sum() > moved.sum()  # read again: caught up
    optimizer.settle()
    settled = table.detach().clone()
    optimizer.settle()
    assert torch.equal(table, settled)


def test_gradients_are_sparse_until_it_is_closed(scorer: Scorer) -> None:
    optimizer = RowAdamW([{"params": list(scorer.parameters()), "weight_decay": 0.0}], scorer, 1e-2)
    table = scorer.tables.tables[0]
    batch = next(batches(scorer, 1))
    scorer(batch).backward()
    assert table.grad is not None
    assert table.grad.is_sparse
    table.grad = None
    optimizer.close()
    scorer(batch).backward()
    assert table.grad is not None
    assert not table.grad.is_sparse


class ListScorer(nn.Module):
    """A layer over the tables of two sides, which share two of them, one read by lists."""

    def __init__(self) -> None:
        super().__init__()
        declarations = listed_preset().declarations
        owned: Owned = {}
        self.query = FieldTables(FieldLayout(declarations.query), COPIES, owned)
        self.item = FieldTables(FieldLayout(declarations.item), COPIES, owned)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, batch: Batch) -> Tensor:
        sides = ((self.query, batch.query), (self.item, batch.item))
        found = [
            values.mean() for tables, side in sides for values, _ in tables(side.categorical, side.lists)
        ]
        return self.scale * torch.stack(found).sum()


def test_rows_that_lists_read_and_tables_of_both_sides_move_as_with_dense_adamw() -> None:
    torch.manual_seed(0)
    model = ListScorer().double()  # AdamW makes a step of what rounding leaves of a gradient that is nearly 0
    for tables in (model.query, model.item):
        for admission in tables.admission.values():
            admission.get_buffer("seen").fill_(100)
    dense = copy.deepcopy(model)
    plain = torch.optim.AdamW(dense.parameters(), lr=1e-2, betas=BETAS, eps=EPSILON, weight_decay=0.0)
    rows = RowAdamW([{"params": list(model.parameters()), "weight_decay": 0.0}], model, 1e-2)
    declarations = listed_preset().declarations
    for step in range(40):
        batch = random_batch(declarations, (1, 1, 1), (1, 1), seed=step % 7)  # most rows rest
        for own, optimizer in ((model, rows), (dense, plain)):
            optimizer.zero_grad(set_to_none=True)
            (own(batch) - 3.0).square().backward()
            optimizer.step()
    rows.close()
    assert len(list(model.parameters())) == len(list(dense.parameters())) == 1 + 5 + 3 + 4
    for own, expected in zip(model.parameters(), dense.parameters(), strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-5, atol=5e-7)
