"""Which parameters decay, how fast they learn; and rows of tables, moved as by torch's AdamW on dense gradients."""

import copy
import itertools
import math
from collections.abc import Iterator
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from mtmd.config import Preset, TrainingConfig
from mtmd.model.batch import Batch, SideInput
from mtmd.model.fields import FieldLayout, FieldTables, Owned
from mtmd.model.ranker import build_model
from mtmd.train.optimizer import BETAS, EPSILON, HORIZON, RATE, RowAdamW, learning_rate_factor, make_optimizer
from tests.model.listed import listed_preset
from tests.model.random_batches import random_batch
from tests.train.windows import with_training

MATRIX_OWNERS = {"experts", "routers", "shallow", "shared", "stack", "cross", "project", "squeeze", "excite"}
COPIES = 2


@pytest.mark.parametrize("kind", ["mtmd", "per_slice", "pooled"])
def test_only_matrices_of_linear_layers_decay_and_tables_learn_at_their_own_rate(
    kind: str, tiny_preset: Preset
) -> None:
    model = build_model(kind, tiny_preset)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    seen = set()
    config = with_training(tiny_preset, embedding_rate=4.0).training
    for group in make_optimizer(model, config).param_groups:
        decays = group["weight_decay"] > 0
        assert group["weight_decay"] in {0.0, tiny_preset.training.weight_decay}
        for parameter in group["params"]:
            name = names[id(parameter)]
            parts = set(name.split("."))
            assert decays == bool(parts & MATRIX_OWNERS and parts & {"weight", "weights", "down", "up"})
            assert not decays or parameter.dim() >= 2
            assert group[RATE] == (4.0 if ".tables." in name else 1.0), name
            seen.add(id(parameter))
    assert seen == set(names)


# ---- the learning rate ---------------------------------------------------------------------------


class Other(TrainingConfig):
    warmup_fraction: ClassVar[float] = 0.047
    final_lr_fraction: ClassVar[float] = 0.2


def test_warm_up_is_linear_and_the_cosine_passes_its_middle_and_ends_at_the_final_share() -> None:
    factors = [learning_rate_factor(step, 106, Other(loss_weights=1.0)) for step in range(106)]
    assert factors[:6] == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1.0])
    assert factors[55] == pytest.approx(0.6)
    assert factors[105] == pytest.approx(0.2)
    assert all(a > b for a, b in itertools.pairwise(factors[5:]))


# ---- rows of tables ------------------------------------------------------------------------------


class Scorer(nn.Module):
    """The smallest model with tables: a linear layer over the first table's embeddings."""

    def __init__(self, preset: Preset) -> None:
        super().__init__()
        layout = FieldLayout(preset.declarations.query)
        self.tables = FieldTables(layout, COPIES)
        self.linear = nn.Linear(layout.tables[0].width, 1)
        self.categorical = len(preset.declarations.query.categorical)

    def forward(self, categorical: Tensor) -> Tensor:
        none = torch.empty(len(categorical), 0)
        side = SideInput(none, categorical, none, (len(categorical),))
        value: Tensor = self.linear(self.tables(side)[0][0]).mean()
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


def train(model: Scorer, optimizer: torch.optim.Optimizer, steps: int) -> None:
    for step, batch in enumerate(batches(model, steps)):
        optimizer.param_groups[0]["lr"] = 1e-2 * (1.0 + 0.5 * math.sin(step / 7.0))
        optimizer.zero_grad(set_to_none=True)
        (model(batch) - 3.0).square().backward()
        optimizer.step()


def row_adamw(model: nn.Module) -> RowAdamW:
    return RowAdamW([{"params": list(model.parameters()), "weight_decay": 0.0}], model, 1e-2)


def dense_adamw(model: nn.Module) -> torch.optim.AdamW:
    return torch.optim.AdamW(model.parameters(), lr=1e-2, betas=BETAS, eps=EPSILON, weight_decay=0.0)


@pytest.mark.parametrize("steps", [3, HORIZON + 200])
def test_after_settling_weights_are_those_of_dense_adamw(scorer: Scorer, steps: int) -> None:
    dense = copy.deepcopy(scorer)
    before = scorer.tables.tables[0].detach().clone()
    train(dense, dense_adamw(dense), steps)
    rows = row_adamw(scorer)
    train(scorer, rows, steps)
    rows.close()
    for own, expected in zip(scorer.parameters(), dense.parameters(), strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-4, atol=2e-6)
    assert float((scorer.tables.tables[0].detach() - before).abs().max()) > 5e-3


def test_a_row_rests_until_it_is_read_or_all_are_settled(scorer: Scorer) -> None:
    optimizer = row_adamw(scorer)
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


def test_rows_that_were_read_have_moments_and_a_state_with_those_of_all_rows_goes_on_alike(
    scorer: Scorer,
) -> None:
    optimizer, table = row_adamw(scorer), scorer.tables.tables[0]
    before = table.detach().clone()
    train(scorer, optimizer, 50)
    optimizer.settle()
    stored = copy.deepcopy(optimizer.state_dict())
    slots = stored["state"][0]
    assert sorted(slots["rows"].tolist()) == (table != before).any(dim=1).nonzero().squeeze(1).tolist()
    assert 0 < len(slots["rows"]) < len(table) / 2
    every = copy.deepcopy(stored)
    for name in ("exp_avg", "exp_avg_sq"):
        own = torch.zeros_like(table)
        own[slots["rows"]] = slots[name]
        every["state"][0][name] = own
    del every["state"][0]["rows"]
    ends = []
    for state in (stored, every):
        model = copy.deepcopy(scorer)
        again = row_adamw(model)
        again.load_state_dict(state)
        train(model, again, 120)
        again.close()
        ends.append(model.tables.tables[0])
    assert torch.equal(*ends)
    assert not torch.equal(ends[0], table)


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
        found = [*self.query(batch.query), *self.item(batch.item)]
        return self.scale * torch.stack([values.mean() for values, _ in found]).sum()


def test_rows_that_lists_read_and_tables_of_both_sides_move_as_with_dense_adamw() -> None:
    torch.manual_seed(0)
    model = ListScorer().double()  # AdamW makes a step of what rounding leaves of a gradient that is nearly 0
    for tables in (model.query, model.item):
        for admission in tables.admission.values():
            admission.get_buffer("seen").fill_(100)
    dense = copy.deepcopy(model)
    plain, rows = dense_adamw(dense), row_adamw(model)
    for step in range(40):
        batch = random_batch(listed_preset().declarations, (1, 1, 1), (1, 1), seed=step % 7)  # most rows rest
        for own, optimizer in ((model, rows), (dense, plain)):
            optimizer.zero_grad(set_to_none=True)
            (own(batch) - 3.0).square().backward()
            optimizer.step()
    rows.close()
    assert len(list(model.parameters())) == len(list(dense.parameters())) == 1 + 5 + 2 * 3
    for own, expected in zip(model.parameters(), dense.parameters(), strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-5, atol=5e-7)
