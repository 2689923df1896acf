"""`[simulation]` of a preset: how large the simulated platform is whose logs the preset reads."""

from pydantic import Field

from mtmd.config.base import Frozen


class SimulationConfig(Frozen):
    """Sizes of the simulated platform; what is left out is the demo's."""

    requests_per_day: int | None = Field(
        None, ge=10, description="1,000 when left out, of 16 candidates each"
    )
    users: int | None = Field(None, ge=10, description="3,000 when left out")
    ads: int | None = Field(None, ge=20, description="ads alive on a day; 2,400 when left out")
    own_reactions: bool = Field(
        False,
        exclude_if=lambda own: not own,
        description="whether people hide and save ads for reasons of their own, instead of as their clicks say",
    )
