from datetime import date

import pytest
from pydantic import ValidationError

from mtmd.errors import ConfigError
from mtmd.world import WorldConfig


def test_a_day_is_counted_from_the_origin() -> None:
    config = WorldConfig(origin=date(2025, 1, 1))
    assert config.day_index(date(2025, 1, 1)) == 0
    assert config.day_index(date(2026, 1, 1)) == 365


def test_a_day_before_the_origin_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"day \(2024-12-31\) must not be before .* \(2025-01-01\)"):
        WorldConfig().day_index(date(2024, 12, 31))


def test_as_many_ads_are_alive_as_are_born_in_a_life() -> None:
    assert WorldConfig(new_ads_per_day=30, ad_life_days=7).ads_alive == 210


@pytest.mark.parametrize("name", ["demo", "tiny"])
def test_presets_differ_by_their_seed_only(name: str) -> None:
    preset = getattr(WorldConfig, name)
    assert preset(seed=3) == preset().model_copy(update={"seed": 3})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"surface_shares": (0.5, 0.2, 0.2)}, r"surface_shares \(0\.5, 0\.2, 0\.2\) must sum to 1"),
        ({"surface_shares": (1.2, -0.4, 0.2)}, r"shares \(1\.2, -0\.4, 0\.2\) must each be between 0 and 1"),
        ({"shopping_shares": (0.1, 0.2, 1.5)}, r"shares \(0\.1, 0\.2, 1\.5\) must each be between 0 and 1"),
        (
            {"new_ads_per_day": 7, "ad_life_days": 7},
            r"new_ads_per_day × ad_life_days \(7 × 7\) must be at least",
        ),
        ({"requests_per_day": 0}, "requests_per_day"),
        ({"wheels": 4}, "wheels"),
    ],
)
def test_a_world_that_cannot_work_is_refused_by_value(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        WorldConfig(**changes)  # type: ignore[arg-type]
