"""Sizes of the simulated platform."""

import pytest
from pydantic import ValidationError

from mtmd.sources.simulated.config import WorldConfig


def test_demo_has_about_16_000_rows_a_day() -> None:
    config = WorldConfig(seed=3)
    assert config.seed == 3
    assert config.requests_per_day * config.candidates_per_request == 16_000


def test_more_new_ads_than_ads_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"new_ads_per_day \(500\) must not exceed ads \(100\)"):
        WorldConfig(ads=100, new_ads_per_day=500)


@pytest.mark.parametrize("field", ["terms", "pins"])
def test_fewer_terms_or_pins_than_topics_are_refused(field: str) -> None:
    with pytest.raises(ValidationError, match=r"must each be at least topics \(20\)"):
        WorldConfig(**{field: 19})


@pytest.mark.parametrize(("candidates", "requests"), [(16, 2048), (4000, 8)])
def test_a_block_has_a_bounded_number_of_rows(candidates: int, requests: int) -> None:
    assert WorldConfig(candidates_per_request=candidates).block_requests == requests
