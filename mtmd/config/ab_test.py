"""`[ab_test]` of a preset: the simulated A/B test and whether it is a gate."""

from pydantic import Field

from mtmd.config.base import Frozen


class ABTestConfig(Frozen):
    """The simulated A/B test of the candidate, for logs of the simulated platform alone; see docs/ab-test.md."""

    gate: bool = Field(
        False,
        description="whether a daily run lets the candidate serve beside the per-slice baselines, and keeps the "
        "champion where a metric of all impressions is shown worse; only a simulated world can say so",
    )
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
        description="requests of each: more make each sample, and the intervals, surer",
    )
