"""The teacher's forward pass and loss against plain arithmetic."""

import math

import pytest
import torch

from mtmd.extras.kuairand.teacher.config import TeacherConfig
from mtmd.extras.kuairand.teacher.model import HeavyweightTeacher, conditional_loss

LEVEL = torch.tensor([0.5, -1.0, -2.0])
CODES = torch.tensor([[1, 0], [2, 3]], dtype=torch.int32)


def teacher(**changes: float) -> HeavyweightTeacher:
    torch.manual_seed(0)
    config = TeacherConfig(width=2, hidden=4).model_copy(update=changes)
    return HeavyweightTeacher((3, 4), (0,), 2, 1, LEVEL, config)


def test_forward_is_level_plus_linear_part_plus_mlp_of_fields_pairs_and_numbers() -> None:
    model = teacher().eval()
    torch.nn.init.normal_(model.linear.weight)
    static, past = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[0.5], [0.0]])
    first, second = model.embedding.weight[[1, 2]], model.embedding.weight[[3 + 0, 3 + 3]]
    numbers = static / math.sqrt(1 + 1e-5)  # a fresh BatchNorm has mean 0 and variance 1
    joined = torch.cat([first, second, first * second, numbers, past], dim=1)
    expected = model.linear.weight[[1, 2]] + model.linear.weight[[3, 6]] + model.mlp(joined)
    assert torch.allclose(model(CODES, static, past), expected + LEVEL, atol=1e-6)


def test_training_hides_ids_and_pasts() -> None:
    model = teacher(id_dropout=1 - 1e-9, past_dropout=1 - 1e-9)
    codes, past = model._hide(CODES, torch.ones(2, 1))
    assert codes.tolist() == [[0, 0], [0, 3]]  # field 0 is an id, field 1 is not
    assert past.tolist() == [[0.0], [0.0]]
    assert CODES[0, 0] == 1


def test_a_task_counts_only_in_the_rows_that_teach_it() -> None:
    labels = torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    teaches = torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    loss = conditional_loss(torch.zeros(2, 3), labels, teaches)
    assert loss.tolist() == pytest.approx([math.log(2), math.log(2) / 2, math.log(2) / 2])


def test_a_task_has_no_gradient_from_other_rows() -> None:
    logits = torch.zeros(1, 3, requires_grad=True)
    conditional_loss(logits, torch.zeros(1, 3), torch.tensor([[1.0, 0.0, 0.0]])).sum().backward()
    assert logits.grad is not None
    assert logits.grad[0, 0] != 0
    assert logits.grad[0, 1:].tolist() == [0.0, 0.0]
