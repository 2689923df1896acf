import pytest
import torch

from mtmd.config import Preset
from mtmd.model.build import build_model
from mtmd.model.ranker import RankingModel
from mtmd.train.step import TrainingLoss, clip_gradients, training_step
from tests.model.random_batches import random_batch
from tests.train.windows import with_scores

LOSS = TrainingLoss(torch.tensor([2.0, 1.0, 1.0]), 0.5, torch.tensor([0.1, 0.05, 0.05]))


@pytest.fixture
def model(tiny_preset: Preset) -> RankingModel:
    return build_model("pooled", tiny_preset)


def test_it_returns_the_loss_and_the_norm_before_clipping(model: RankingModel, tiny_preset: Preset) -> None:
    batch = random_batch(tiny_preset.declarations)
    loss = LOSS(model(batch), batch.teacher)
    gradients = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    norm = torch.cat([gradient.flatten() for gradient in gradients if gradient is not None]).norm()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    value, reported = training_step(model, optimizer, batch, LOSS, "float32", max_gradient_norm=1e-3)
    assert value == pytest.approx(float(loss.detach()), rel=1e-5)
    assert reported == pytest.approx(float(norm), rel=1e-4)
    moved = torch.cat([(p - b).flatten() for p, b in zip(model.parameters(), before, strict=True)])
    assert float(moved.detach().norm()) == pytest.approx(1e-3, rel=1e-2)


def test_a_step_that_is_not_finite_moves_nothing(model: RankingModel, tiny_preset: Preset) -> None:
    batch = with_scores(random_batch(tiny_preset.declarations), torch.inf)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    loss, _ = training_step(model, optimizer, batch, LOSS, "float32", max_gradient_norm=1.0)
    assert not torch.tensor(loss).isfinite()
    assert all(torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))


def test_the_norm_counts_a_row_once_however_often_it_was_read() -> None:
    """Row 1 is read twice: its gradient is 2 · 3, row 0's is 3, so the norm is √(36 + 9), and is cut to 1."""
    table = torch.nn.Embedding(3, 1, sparse=True)
    (3.0 * table(torch.tensor([1, 0, 1])).sum()).backward()
    assert clip_gradients(table, 1.0) == pytest.approx(45.0**0.5)
    assert table.weight.grad is not None
    assert table.weight.grad.to_dense().flatten().tolist() == pytest.approx(
        [3 / 45**0.5, 6 / 45**0.5, 0.0], rel=1e-5
    )
