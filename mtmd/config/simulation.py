"""`[simulation]` of a preset: how large the simulated platform is whose logs the preset reads."""

from pydantic import Field

from mtmd.config.base import Frozen


class SimulationConfig(Frozen):
    """Sizes of the simulated platform; what is left out is the demo's."""

    requests_per_day: int | None = Field(None, ge=10, description="1,000 when left out")
    users: int | None = Field(None, ge=10, description="3,000 when left out")
    ads: int | None = Field(None, ge=20, description="ads alive on a day; 2,400 when left out")
    own_reactions: bool = Field(
        False,
        exclude_if=lambda own: not own,
        description="whether people hide and save ads for reasons of their own, instead of as their clicks say",
    )
    candidates_per_request: int | None = Field(
        None, ge=4, description="ads that retrieval chooses for a request, on average; 16 when left out"
    )
    explored_per_request: int | None = Field(
        None,
        ge=0,
        description="ads that are scored beside them, drawn uniformly from the others that are eligible for the "
        "request; none when left out",
    )
