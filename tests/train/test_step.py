"""The loss of a batch, and one update from it."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mtmd.config import Preset, Task, TrainingConfig
from mtmd.model.ranker import RankingModel, build_model
from mtmd.train.step import (
    TrainingLoss,
    autocast,
    bernoulli_kl,
    choose_precision,
    clip_gradients,
    multiplies_bfloat16,
    training_step,
)
from tests.model.random_batches import random_batch
from tests.train.windows import with_scores

LOSS = TrainingLoss(torch.tensor([2.0, 1.0, 1.0]), 0.5, torch.tensor([0.1, 0.05, 0.05]))


def loss_of(*task_weights: float, power: float = 0.0, scale: float = 1.0) -> TrainingLoss:
    weights = torch.tensor(task_weights)
    return TrainingLoss(weights, power, torch.full_like(weights, scale))


def kl(t: float, p: float) -> float:
    return t * math.log(t / p) + (1 - t) * math.log((1 - t) / (1 - p))


# ---- the loss ------------------------------------------------------------------------------------


def test_gradient_matches_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    log_p = -torch.rand(6, 3, generator=generator, dtype=torch.float64) * 5 - 0.02
    teacher = torch.rand(6, 3, generator=generator, dtype=torch.float64)
    teacher[::2, 2] = torch.nan
    loss = loss_of(2.0, 1.0, 0.5)
    assert torch.autograd.gradcheck(lambda x: loss(x, teacher), log_p.requires_grad_())


@pytest.mark.parametrize("log_p", [0.0, -1e-30, -1e-8, -1e-3, -20.0, -90.0, -300.0])
def test_extreme_students_have_finite_loss_and_gradient(log_p: float) -> None:
    student = torch.full((3, 1), log_p, requires_grad=True)
    loss = bernoulli_kl(student, torch.tensor([[1e-6], [0.4], [1.0 - 1e-6]]))
    loss.sum().backward()
    assert loss.isfinite().all()
    assert student.grad is not None
    assert student.grad.isfinite().all()


def test_unknown_scores_cost_nothing_even_beside_a_student_that_is_not_finite() -> None:
    student = torch.tensor([[-1.0, torch.nan], [-1.0, -torch.inf]], requires_grad=True)
    loss = bernoulli_kl(student, torch.tensor([[0.2, torch.nan], [0.2, torch.nan]]))
    loss.sum().backward()
    assert loss[:, 1].tolist() == [0.0, 0.0]
    assert student.grad is not None
    assert student.grad[:, 1].tolist() == [0.0, 0.0]
    assert student.grad[:, 0].isfinite().all()


def test_each_task_is_a_mean_over_its_own_pairs_and_weights_are_shares() -> None:
    log_p = torch.full((3, 2), 0.25).log()
    teacher = torch.tensor([[0.5, torch.nan], [0.25, torch.nan], [0.25, 0.5]])
    loss = loss_of(2.0, 1.0)(log_p, teacher)
    assert float(loss) == pytest.approx((2 * kl(0.5, 0.25) / 3 + kl(0.5, 0.25)) / 3, rel=1e-6)


def test_a_pair_counts_less_the_higher_the_models_score() -> None:
    log_p, teacher = torch.tensor([[0.01], [0.64]]).log(), torch.tensor([[0.02], [0.5]])
    loss = loss_of(1.0, power=0.5, scale=0.04)(log_p, teacher)
    # √(0.04 / 0.01) = 2 and √(0.04 / 0.64) = 1/4
    assert float(loss) == pytest.approx((2 * kl(0.02, 0.01) + kl(0.5, 0.64) / 4) / 2, rel=1e-5)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_the_best_prediction_is_the_teachers_mean_at_any_power(power: float) -> None:
    teacher = torch.tensor([[0.02], [0.1]], dtype=torch.float64)  # the same features, two scores
    gradients = []
    for p in (0.055, 0.06, 0.065):
        log_p = torch.tensor([p], dtype=torch.float64).log().requires_grad_()
        loss_of(1.0, power=power)(log_p.expand(2, 1), teacher).backward()
        assert log_p.grad is not None
        gradients.append(float(log_p.grad))
    assert gradients[0] < 0 < gradients[2]
    assert gradients[1] == pytest.approx(0.0, abs=1e-6)


def test_an_action_is_learnt_where_its_parents_happened_and_alike_at_any_power() -> None:
    """ln P(gctr | ctr) is −0.2 − (−0.1) in the first pair; nothing is known of the third."""
    acting = [Task(name=name, label=name, learn_from="actions") for name in ("ctr", "gctr")]
    log_p = torch.tensor([[-0.1, -0.2], [-2.0, -3.0], [-1.0, -2.0]], requires_grad=True)
    happened = torch.tensor([[1.0, 1.0], [0.0, 0.0], [torch.nan, torch.nan]])
    config, rates = TrainingConfig(loss_weights=1.0, score_power=1.0), torch.tensor([[0.5, 0.3]])
    TrainingLoss.of(config, acting, rates, (None, 0))(log_p, happened).backward()
    of_ctr = [-0.5, 0.5 * math.exp(-2.0) / (1 - math.exp(-2.0)), 0.0]
    assert log_p.grad is not None
    torch.testing.assert_close(
        2 * log_p.grad, torch.tensor([[of_ctr[0] + 0.5, -0.5], [of_ctr[1], 0], [0, 0]])
    )
    alone = TrainingLoss.of(config, acting, rates, (None, None))(log_p, happened)
    assert float(alone.detach()) == pytest.approx(
        (0.1 - math.log1p(-math.exp(-2)) + 0.2 - math.log1p(-math.exp(-3))) / 4
    )


def test_the_scale_is_the_mean_rate_of_the_domains_that_have_the_task() -> None:
    config = TrainingConfig(loss_weights={"ctr": 2.0, "octr": 1.0}, score_power=0.5)
    tasks = [Task(name=name, label=name) for name in ("ctr", "octr")]
    loss = TrainingLoss.of(config, tasks, torch.tensor([[0.1, torch.nan], [0.3, 0.05]]))
    assert (loss.task_weights.tolist(), loss.power) == ([2.0, 1.0], 0.5)
    torch.testing.assert_close(loss.scale, torch.tensor([0.2, 0.05]))


# ---- the update ----------------------------------------------------------------------------------


@pytest.fixture
def model(tiny_preset: Preset) -> RankingModel:
    return build_model("pooled", tiny_preset)


@pytest.mark.parametrize("weight", [1.0, 0.25])
def test_it_returns_the_loss_and_the_norm_before_clipping(
    model: RankingModel, tiny_preset: Preset, weight: float
) -> None:
    batch = replace(random_batch(tiny_preset.declarations), weight=weight)
    loss = LOSS(model(batch), batch.teacher)
    gradients = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    norm = torch.cat([gradient.flatten() for gradient in gradients if gradient is not None]).norm()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    value, reported = training_step(model, optimizer, batch, LOSS, "float32", max_gradient_norm=1e-3)
    assert value == pytest.approx(float(loss.detach()), rel=1e-5)
    assert reported == pytest.approx(weight * float(norm), rel=1e-4)
    moved = torch.cat([(p - b).flatten() for p, b in zip(model.parameters(), before, strict=True)])
    assert float(moved.detach().norm()) == pytest.approx(1e-3, rel=1e-2)


def test_a_step_that_is_not_finite_moves_nothing(model: RankingModel, tiny_preset: Preset) -> None:
    batch = with_scores(random_batch(tiny_preset.declarations), torch.inf)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    loss, _ = training_step(model, optimizer, batch, LOSS, "float32", max_gradient_norm=1.0)
    assert not math.isfinite(loss)
    assert all(torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))


def test_the_norm_counts_a_row_once_however_often_it_was_read() -> None:
    """Row 1 is read twice: its gradient is 2 · 3, row 0's is 3, so the norm is √(36 + 9), and is cut to 1."""
    table = torch.nn.Embedding(3, 1, sparse=True)
    (3.0 * table(torch.tensor([1, 0, 1])).sum()).backward()
    assert clip_gradients(table, 1.0) == pytest.approx(45.0**0.5)
    assert table.weight.grad is not None
    expected = [3 / 45**0.5, 6 / 45**0.5, 0.0]
    assert table.weight.grad.to_dense().flatten().tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("flags", "fast"),
    [("sse avx512f", False), ("avx512_bf16", True), ("amx_bf16 amx_tile", True), ("avx512_bf16x", False)],
)
def test_bfloat16_is_fast_where_the_processor_has_instructions_for_it(
    flags: str, fast: bool, tmp_path: Path
) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags\t\t: {flags}\n\nprocessor : 1\n")
    assert multiplies_bfloat16(tmp_path / "cpuinfo") is fast


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_products_run_in_the_chosen_precision(precision: str) -> None:
    config = TrainingConfig.model_validate({"loss_weights": 1.0, "precision": precision})
    assert choose_precision(config) == precision
    x = torch.ones(2, 2)
    with autocast(config.precision, torch.device("cpu")):
        assert (x @ x).dtype == getattr(torch, precision)
