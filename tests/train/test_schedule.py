import itertools
from typing import ClassVar

import pytest

from mtmd.config import TrainingConfig
from mtmd.train.optimizer import learning_rate_factor


class Other(TrainingConfig):
    warmup_fraction: ClassVar[float] = 0.047
    final_lr_fraction: ClassVar[float] = 0.2


def test_warm_up_is_linear_and_ends_at_the_peak() -> None:
    config = TrainingConfig(loss_weights=1.0)
    factors = [learning_rate_factor(step, 100, config) for step in range(6)]
    assert factors == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1.0])


def test_cosine_passes_its_middle_and_ends_at_the_final_share() -> None:
    factors = [learning_rate_factor(step, 106, Other(loss_weights=1.0)) for step in range(106)]
    assert factors[5] == 1.0
    assert factors[55] == pytest.approx(0.6)
    assert factors[105] == pytest.approx(0.2)
    assert all(a > b for a, b in itertools.pairwise(factors[5:]))
