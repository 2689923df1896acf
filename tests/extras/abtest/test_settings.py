"""The funnel of the simulated A/B as a preset says it, and the gate that needs a world."""

from typing import Any

import pytest
from pydantic import ValidationError

from mtmd.config import Preset
from mtmd.extras.abtest.settings import FunnelConfig, Settings
from mtmd.sources.simulated.config import BROAD


def changed(preset: Preset, **values: Any) -> Preset:
    return Preset.model_validate(preset.model_dump() | {"extras": {"abtest": values}})


def test_a_preset_sizes_the_funnel_and_a_caller_its_samples() -> None:
    assert Settings().funnel() == FunnelConfig()
    assert FunnelConfig().broad == BROAD
    own = Settings(requests=500, keep=8, slots=2, budget=0.05)
    assert own.funnel() == FunnelConfig(requests=500, keep=8, slots=2, budget=0.05)
    assert own.funnel(60).requests == 60


def test_more_slots_than_ads_that_are_kept_are_refused(tiny_preset: Preset) -> None:
    with pytest.raises(
        ValidationError, match=r"slots \(4\) must not exceed keep \(3\).*raise keep, or lower slots"
    ):
        changed(tiny_preset, keep=3)
