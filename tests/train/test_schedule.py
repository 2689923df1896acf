import itertools

import pytest

from mtmd.config import TrainingConfig
from mtmd.train.optimizer import learning_rate_factor


def config(warmup: float = 0.05, final: float = 0.01) -> TrainingConfig:
    return TrainingConfig(loss_weights={"ctr": 1.0}, warmup_fraction=warmup, final_lr_fraction=final)


def test_warm_up_is_linear_and_ends_at_the_peak() -> None:
    factors = [learning_rate_factor(step, 100, config()) for step in range(6)]
    assert factors == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1.0])


def test_cosine_passes_its_middle_and_ends_at_the_final_share() -> None:
    factors = [learning_rate_factor(step, 106, config(warmup=0.047, final=0.2)) for step in range(106)]
    assert factors[5] == 1.0
    assert factors[55] == pytest.approx(0.6)
    assert factors[105] == pytest.approx(0.2)
    assert all(a > b for a, b in itertools.pairwise(factors[5:]))
