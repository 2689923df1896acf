"""Where nothing differs an experiment finds nothing, as often as its intervals say (A/A)."""

import numpy as np

from mtmd.extras.abtest.arms import Arm, arm
from mtmd.extras.abtest.changes import changes
from mtmd.extras.abtest.traffic import Chances, Traffic
from tests.extras.abtest.funnels import FUNNEL, tiny_traffic

SAMPLES, TRIALS = 6, 12


def blurred(traffic: Traffic, *seed: int) -> Chances:
    """As good as any other seed's: the heavyweight scores under noise."""
    noise = np.random.default_rng(seed).standard_normal(traffic.teacher.shape, np.float32)
    return np.asarray(traffic.teacher * np.exp(0.3 * noise))


def test_rankers_that_are_equally_good_differ_at_the_nominal_rate() -> None:
    """Twelve A/A experiments of 48 intervals, which are far from independent: the rate is 5 % give or take 3."""

    def arms(trial: int, sample: int) -> tuple[Arm, Arm]:
        traffic = tiny_traffic(sample)
        one, other = (arm(traffic, blurred(traffic, trial, sample, side), FUNNEL) for side in (0, 1))
        return one, other

    found = []
    for trial in range(TRIALS):
        control, treatment = zip(*(arms(trial, sample) for sample in range(SAMPLES)), strict=True)
        found += [change.significant for change in changes(control, treatment)]
    assert np.mean(found) < 0.11
