"""`[training.warm]` of a preset: how a day goes on from the champion's training."""

from pydantic import Field

from mtmd.config.base import Frozen


class WarmConfig(Frozen):
    """A training that goes on from another one: over fewer days, in fewer passes, at a lower rate."""

    days: int = Field(
        8,
        ge=1,
        description="newest days of the window that are trained on; if the champion has not seen more days than that, "
        "all that it has not seen",
    )
    epochs: int = Field(2, ge=1, description="passes over those days")
    rate: float = Field(
        0.25, gt=0, le=1, description="peak of the learning rate, as a share of a full retrain's peak"
    )
    full_every_days: int = Field(
        7,
        ge=1,
        description="a full retrain is due this many days after the last one; 1: every day",
    )
