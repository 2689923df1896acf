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
        description="whether hides and saves have a cause of their own, instead of following from the chance of a "
        "click",
    )
    candidates_per_request: int | None = Field(
        None, ge=4, description="ads that retrieval chooses for a request, on average; 16 when left out"
    )
    explored_per_request: int | None = Field(
        None,
        ge=0,
        description="further candidates of a request, drawn uniformly from its eligible ads that retrieval did not "
        "choose; none when left out",
    )
