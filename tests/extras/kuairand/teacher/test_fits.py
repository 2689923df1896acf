"""Where a fit begins."""

import math

import numpy as np
import pytest
import torch

from mtmd.extras.kuairand.teacher.config import TeacherConfig
from mtmd.extras.kuairand.teacher.fits import TeacherFits
from mtmd.extras.kuairand.teacher.rows import TeacherInputs, TeachingRows

INPUTS = TeacherInputs(
    np.zeros((4, 1), np.int32), (1,), (0,), np.zeros((4, 1), np.float32), np.zeros((4, 1), np.float32)
)
ROWS = TeachingRows(
    day=np.zeros(4, np.int64),
    labels=np.array([[1, 1], [1, 0], [1, 0], [0, 1]], np.bool_),
    teaches=np.array([[1, 1], [1, 1], [1, 1], [1, 0]], np.bool_),
    tasks=("ctr", "cvr"),
    parents=(None, 0),
)


@pytest.mark.parametrize(
    ("at_rates", "level"), [(True, [math.log(2.5 / 1.5), math.log(0.5 / 2.5)]), (False, [0.0, 0.0])]
)
def test_a_fit_begins_at_the_rates_of_its_rows_or_at_one_half(at_rates: bool, level: list[float]) -> None:
    fits = TeacherFits(INPUTS, ROWS, TeacherConfig(start_at_rates=at_rates))
    # Of rows 1 to 3: two of three clicks; none of two that could convert did.
    assert fits._level(torch.tensor([1, 2, 3])).tolist() == pytest.approx(level)
