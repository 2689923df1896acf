"""Sizes of the simulated ad platform."""

from datetime import date
from typing import Self

from pydantic import Field, field_validator, model_validator

from mtmd.config import Frozen
from mtmd.errors import ConfigError

_LEAST_ADS = 50  # fewer may leave a product without an ad


class WorldConfig(Frozen):
    """A seeded platform; the same configuration gives the same day, whichever other days are asked for."""

    seed: int = Field(0, ge=0)
    origin: date = Field(date(2025, 1, 1), description="day 0 of drift and of the stream of ads")
    users: int = Field(4000, ge=10)
    terms: int = Field(1500, ge=10, description="search terms")
    pins: int = Field(4000, ge=10, description="subject pins")
    topics: int = Field(40, ge=2)
    latent: int = Field(12, ge=2, description="width of the hidden vectors")
    new_ads_per_day: int = Field(50, ge=1)
    ad_life_days: int = Field(40, ge=1, le=3650, description="days that an ad stays alive")
    requests_per_day: int = Field(1000, ge=1, le=10**9)
    candidates_per_request: int = Field(
        16, ge=2, description="mean; each request has between half and 1.5 times"
    )
    impressions_per_request: int = Field(
        4, ge=1, description="candidates of a request that are shown, at most"
    )
    chunk_requests: int = Field(
        20_000, ge=1, description="requests made and written at a time: bounds memory"
    )
    surface_shares: tuple[float, float, float] = Field(
        (0.58, 0.14, 0.28), description="of requests: home_feed, search, related_pin; they sum to 1"
    )
    shopping_shares: tuple[float, float, float] = Field(
        (0.35, 0.24, 0.45),
        description="share of shopping candidates by surface; 0.14 · 0.24 ≈ 3 % is the smallest domain",
    )

    @field_validator("surface_shares", "shopping_shares")
    @classmethod
    def _are_shares(cls, shares: tuple[float, float, float]) -> tuple[float, float, float]:
        if not all(0.0 <= share <= 1.0 for share in shares):
            raise ValueError(f"shares {shares} must each be between 0 and 1; correct the one that is not")
        return shares

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if abs(sum(self.surface_shares) - 1.0) > 1e-9:
            raise ValueError(
                f"surface_shares {self.surface_shares} must sum to 1 and sum to {sum(self.surface_shares)}; "
                "scale them"
            )
        if self.ads_alive < _LEAST_ADS:
            raise ValueError(
                f"new_ads_per_day × ad_life_days ({self.new_ads_per_day} × {self.ad_life_days}) must be at "
                f"least {_LEAST_ADS}, so that each product has ads; increase one of them"
            )
        return self

    @classmethod
    def demo(cls, seed: int = 0) -> Self:
        """About 15,000 candidate rows a day."""
        return cls(seed=seed)

    @classmethod
    def tiny(cls, seed: int = 0) -> Self:
        """For tests: about 600 candidate rows a day, every domain on every day."""
        return cls(
            seed=seed,
            users=200,
            terms=60,
            pins=100,
            topics=8,
            new_ads_per_day=8,
            ad_life_days=20,
            requests_per_day=70,
            candidates_per_request=10,
            surface_shares=(0.4, 0.3, 0.3),
            shopping_shares=(0.4, 0.4, 0.45),
        )

    @property
    def ads_alive(self) -> int:
        """Ads alive on any day."""
        return self.new_ads_per_day * self.ad_life_days

    def day_index(self, day: date) -> int:
        """Days since the origin; raises ConfigError before it."""
        index = (day - self.origin).days
        if index < 0:
            raise ConfigError(
                f"day ({day}) must not be before the world's origin ({self.origin}); choose a later day"
            )
        return index
