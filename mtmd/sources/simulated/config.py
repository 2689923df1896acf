"""How large the simulated platform is, and which of all possible platforms it is."""

from datetime import date
from typing import Any, Self

from pydantic import Field, ValidationError

from mtmd.config.base import Frozen, wrong_values
from mtmd.errors import ConfigError


class WorldConfig(Frozen):
    """One simulated ad platform. Two equal configurations write the same bytes.

    The defaults are the demo's: about 16,000 candidate rows a day, so 25 days are 400,000.
    """

    seed: int = Field(
        0, ge=0, le=2**63 - 1, description="names the platform: its users, ads, effects and noise"
    )
    origin: date = Field(
        date(2020, 1, 1), description="the platform's first day; drift and ads count from here"
    )
    users: int = Field(3_000, ge=10, description="user population; activity is heavy-tailed")
    ads: int = Field(2_400, ge=20, description="ads alive on any day")
    new_ads_per_day: int = Field(60, ge=1, description="ads that start on a day, on average; as many end")
    topics: int = Field(20, ge=2, le=200, description="topics that users, queries, pins and ads belong to")
    terms: int = Field(2_000, ge=2, description="distinct search terms; use is heavy-tailed")
    pins: int = Field(6_000, ge=2, description="distinct subject pins; use is heavy-tailed")
    requests_per_day: int = Field(
        1_000, ge=10, description="requests on an average day (weekly cycle: ±10 %)"
    )
    candidates_per_request: int = Field(
        16, ge=4, le=4_000, description="mean candidates of a request that retrieval chooses"
    )
    impressions_per_request: int = Field(4, ge=1, description="candidates that win the auction and are shown")
    exploration: float = Field(
        0.03, ge=0, le=1, description="chance that a losing candidate is shown all the same"
    )
    latent_width: int = Field(
        12, ge=2, le=64, description="true width of tastes; logged vectors are noisy views"
    )

    @classmethod
    def sized(cls, seed: int = 0, **given: Any) -> Self:
        """The demo's platform with these values, None for the demo's; a fortieth of its ads is new each day.

        Raises ConfigError for a size that cannot be.
        """
        known = {name: value for name, value in given.items() if value is not None}
        if "ads" in known:
            known["new_ads_per_day"] = max(1, known["ads"] // 40)
        try:
            return cls(seed=seed, **known)
        except ValidationError as error:
            raise ConfigError(f"the simulated platform is wrong:\n{wrong_values(error)}") from error
