"""The funnel of the simulated A/B as a preset says it."""

import pytest
from pydantic import ValidationError

from mtmd.config.ab_test import ABTestConfig
from mtmd.sources.simulated.config import FunnelConfig


def test_a_preset_that_says_nothing_has_the_funnels_defaults() -> None:
    assert FunnelConfig.of(ABTestConfig()) == FunnelConfig()


def test_a_preset_sizes_the_funnel_and_a_caller_its_samples() -> None:
    own = ABTestConfig(requests=500, keep=8, slots=2, budget=0.05)
    assert FunnelConfig.of(own) == FunnelConfig(requests=500, keep=8, slots=2, budget=0.05)
    assert FunnelConfig.of(own, 60).requests == 60


def test_more_slots_than_ads_that_are_kept_are_refused() -> None:
    with pytest.raises(
        ValidationError, match=r"slots \(4\) must not exceed keep \(3\).*raise keep, or lower slots"
    ):
        ABTestConfig(keep=3)
