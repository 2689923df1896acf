import itertools
import math
from dataclasses import replace
from typing import Literal

import pytest
import torch
from torch import Tensor

from mtmd.config import Preset
from mtmd.train.consistency import order_divergence
from mtmd.train.step import TrainingLoss
from tests.model.random_batches import random_batch

NAN = math.nan


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


def divergence(
    log_p: Tensor, teacher: Tensor, group: list[int], weight: list[float] | None = None
) -> list[float]:
    weights = None if weight is None else torch.tensor(weight)
    found: list[float] = order_divergence(log_p, teacher, torch.tensor(group), weights).tolist()
    return found


def one_by_one(log_p: Tensor, teacher: Tensor, group: list[int], weight: list[float]) -> float:
    """The same of one task, candidate by candidate, as the docstring says."""
    rows = [(g, t, x, w) for g, t, x, w in zip(group, teacher.tolist(), log_p.tolist(), weight, strict=True)]
    above, below = 0.0, 0.0
    for which in set(group):
        known = [row[1:] for row in rows if row[0] == which and not math.isnan(row[1])]
        ranked = sorted(known, key=lambda row: -row[0])
        discount = [1 / math.log2(2 + rank) for rank in range(len(ranked))]
        dcg = sum(d * t for d, (t, _, _) in zip(discount, ranked, strict=True))
        for i, j in itertools.combinations(range(len(ranked)), 2):
            if (j - i) & (j - i - 1):  # only the powers of two
                continue
            (t_i, x_i, w_i), (t_j, x_j, w_j) = ranked[i], ranked[j]
            q, student = t_i / (t_i + t_j), math.exp(x_i) / (math.exp(x_i) + math.exp(x_j))
            cost = (t_i - t_j) * (discount[i] - discount[j]) / dcg * w_i * w_j
            kl = q * math.log(q / student) + (1 - q) * math.log((1 - q) / (1 - student))
            above, below = above + cost * kl, below + cost
    return above / below if below else 0.0


def test_three_candidates_give_the_number_computed_by_hand() -> None:
    """A student that scores all alike gives each of two a share of 1/2; the teacher gives 2/3, 2/3 and 4/5.

    d = 1, 0.6309, 0.5; Σ d t = 0.5762; ΔNDCG = 0.1281, 0.0227 and 0.2603 for (1, 2), (2, 3) and (1, 3);
    KL(2/3 ‖ 1/2) = 0.05663, KL(4/5 ‖ 1/2) = 0.19274; (0.1508 · 0.05663 + 0.2603 · 0.19274) / 0.4112 = 0.1428.
    """
    teacher = column(0.2, 0.4, 0.1)
    assert divergence(torch.full_like(teacher, -2.0), teacher, [7, 7, 7]) == [
        pytest.approx(0.14281, abs=1e-5)
    ]


def test_it_is_what_its_docstring_says_of_any_candidates() -> None:
    """Requests of every size in no order, two tasks with gaps, weights, and equal scores."""
    generator = torch.Generator().manual_seed(0)
    group = torch.randint(12, (90,), generator=generator)
    group[group == 3] = 4  # of more than 8 candidates
    group = torch.cat([group, torch.tensor([50])])  # and one alone
    teacher = torch.rand(91, 2, generator=generator, dtype=torch.float64).clamp(0.01, 0.9)
    teacher[teacher > 0.8] = 0.8
    teacher[::3, 1] = NAN
    log_p = -3.0 * torch.rand(91, 2, generator=generator, dtype=torch.float64) - 0.1
    weight = torch.randint(3, (91,), generator=generator).double()
    for given in (torch.ones(91, dtype=torch.float64), weight):
        found = order_divergence(log_p, teacher, group, given)
        expected = [
            one_by_one(log_p[:, task], teacher[:, task], group.tolist(), given.tolist()) for task in range(2)
        ]
        assert found.tolist() == pytest.approx(expected, rel=1e-9)
    assert torch.equal(
        order_divergence(log_p, teacher, group), order_divergence(log_p, teacher, group, torch.ones(91))
    )


def test_the_gradient_lifts_who_is_too_low_and_lowers_who_is_too_high() -> None:
    teacher = column(0.02, 0.06, 0.04)
    swapped = column(0.06, 0.02, 0.04).log().requires_grad_()
    order_divergence(swapped, teacher, torch.zeros(3).long()).sum().backward()
    assert swapped.grad is not None
    assert swapped.grad[0] > 0.01 > -0.01 > swapped.grad[1]
    # In the right order, but too close together: they are still moved apart.
    close = column(0.04, 0.05, 0.045).log().requires_grad_()
    order_divergence(close, teacher, torch.zeros(3).long()).sum().backward()
    assert close.grad is not None
    assert close.grad[0] > 0 > close.grad[1]


def test_scores_in_the_teachers_proportions_cost_nothing_whatever_their_level() -> None:
    teacher = column(0.3, 0.02, 0.0011, 0.1, 0.1)
    log_p = (teacher * 0.4).log().requires_grad_()
    loss = order_divergence(log_p, teacher, torch.tensor([0, 0, 0, 1, 1]))
    loss.sum().backward()
    assert loss.tolist() == [pytest.approx(0.0, abs=1e-14)]
    assert log_p.grad is not None
    torch.testing.assert_close(log_p.grad, torch.zeros_like(log_p), atol=1e-12, rtol=0)


def test_one_candidate_equal_scores_and_no_candidates_have_no_order() -> None:
    teacher = column(0.3, 0.02)
    log_p = column(-3.0, -1.0)
    assert divergence(log_p, teacher, [0, 1]) == [0.0]
    assert divergence(log_p, column(0.2, 0.2), [0, 0]) == [0.0]
    assert divergence(log_p, column(0.0, 0.0), [0, 0]) == [0.0]
    assert divergence(log_p[:0], teacher[:0], []) == [0.0]


def test_unknown_scores_are_in_no_comparison_whatever_the_student_says() -> None:
    teacher = torch.tensor([[0.3, 0.3], [NAN, 0.1], [0.1, NAN]])
    log_p = torch.tensor([[-1.0, -1.0], [NAN, -1.0], [-1.0, torch.inf]], requires_grad=True)
    loss = order_divergence(log_p, teacher, torch.zeros(3).long())
    loss.sum().backward()
    # Each task compares 0.3 with 0.1: ¾ ln(¾ / ½) + ¼ ln(¼ / ½)
    assert loss.tolist() == pytest.approx([0.130812, 0.130812], abs=1e-6)
    assert log_p.grad is not None
    assert log_p.grad[1, 0] == log_p.grad[2, 1] == 0.0
    assert log_p.grad.isfinite().all()
    assert divergence(log_p.detach(), torch.full((3, 2), NAN), [0, 0, 0]) == [0.0, 0.0]


def test_gradient_matches_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    log_p = -torch.rand(9, 2, generator=generator, dtype=torch.float64) * 5 - 0.02
    teacher = torch.rand(9, 2, generator=generator, dtype=torch.float64)
    teacher[::4, 1] = NAN
    group = torch.tensor([2, 0, 0, 1, 2, 0, 0, 0, 2])
    assert torch.autograd.gradcheck(lambda x: order_divergence(x, teacher, group), log_p.requires_grad_())


@pytest.mark.parametrize("within", ["request", "domain"])
def test_the_loss_adds_it_at_each_tasks_weight_and_typical_score(
    within: Literal["request", "domain"], tiny_preset: Preset
) -> None:
    batch = random_batch(tiny_preset.declarations)
    batch = replace(batch, weight=torch.arange(len(batch.candidate)) % 3 * 1.0)
    log_p = -torch.rand(batch.teacher.shape, generator=torch.Generator().manual_seed(1)) - 0.1
    weights, scale = torch.tensor([2.0, 1.0, 1.0]), torch.tensor([0.1, 0.05, 0.02])
    group = {"request": batch.pair_query, "domain": batch.pair_domain}[within]
    order = order_divergence(log_p, batch.teacher, group, batch.weight)
    plain = TrainingLoss(weights, 0.5, scale)
    assert torch.equal(plain.of_batch(log_p, batch), plain(log_p, batch.teacher, batch.weight))
    added = TrainingLoss(weights, 0.5, scale, 0.3, within).of_batch(log_p, batch) - plain.of_batch(
        log_p, batch
    )
    expected = 0.3 * (2.0 * 0.1 * order[0] + 0.05 * order[1] + 0.02 * order[2]) / 4.0
    assert float(added) == pytest.approx(float(expected), rel=1e-4)
    assert float(expected) > 1e-3
