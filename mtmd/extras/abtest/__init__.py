"""The simulated A/B test: what the model would do to the platform's traffic (paper §3.3): `[extras.abtest]`."""

from typing import Any

from pydantic import Field

from mtmd.config.base import ExtraSettings


class Settings(ExtraSettings):
    """The simulated A/B test of the candidate, for logs of the simulated platform alone.

    The paper gives no number of its own funnel (Fig. 2): all of them are readings, sized for the demo's 2,400 ads.
    """

    samples: int = Field(
        20,
        ge=5,
        le=200,
        description="times that the held-out day is run: an interval is over them, and so is time",
    )
    requests: int = Field(
        8_000,
        ge=50,
        le=100_000,
        description="requests of each, none of which is in any log: more make each sample, and the intervals, surer",
    )
    keep: int = Field(
        16,
        ge=1,
        description="ads of a request that the lightweight ranker hands on: the fewer, the more it decides",
    )
    slots: int = Field(4, ge=1, description="ads that win the auction and are shown")
    budget: float = Field(
        0.1,
        gt=0,
        description="the day's budgets of all advertisers together, divided by the day's requests; with less, more "
        "budgets run out",
    )

    def check(self, preset: Any) -> None:
        """The auction shows only what is handed on."""
        if self.slots > self.keep:
            raise ValueError(
                f"extras.abtest.slots ({self.slots}) must not exceed keep ({self.keep}): the auction shows only "
                "what the lightweight ranker hands on; raise keep, or lower slots"
            )
