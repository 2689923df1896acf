"""`[training.warm]` of a preset: how a day goes on from the champion's training."""

from pydantic import Field

from mtmd.config.base import Frozen


class WarmConfig(Frozen):
    """A training that goes on from another one: over fewer days, in fewer passes, at a lower rate."""

    days: int = Field(
        8,
        ge=1,
        description="newest days of the window that are trained on; more where the champion has not seen more",
    )
    epochs: int = Field(2, ge=1, description="passes over those days")
    rate: float = Field(
        0.25, gt=0, le=1, description="peak of the learning rate, as a share of that of a full retrain"
    )
    full_every_days: int = Field(
        7,
        ge=1,
        description="days after a full retrain on which the next one is due: 1 is one every day",
    )
