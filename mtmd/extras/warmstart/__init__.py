"""Days whose training goes on from the champion's: `[extras.warmstart]`."""

from pydantic import Field

from mtmd.config.base import ExtraSettings


class Settings(ExtraSettings):
    """A training that goes on from another one: over fewer days, in fewer passes, at a lower rate."""

    on: bool = Field(
        False,
        description="the candidate's training goes on from the champion's, where that is possible; false: every day "
        "is a full retrain",
    )
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
        7, ge=1, description="a full retrain is due this many days after the last one; 1: every day"
    )
    anchor_tolerance: float = Field(
        0.01,
        ge=0,
        description="of the gate anchor: worse is a LogMAE of more than this share above that of the last full "
        "retrain; so small losses cannot add up from day to day",
    )
