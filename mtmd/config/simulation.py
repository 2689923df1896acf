"""`[simulation]` of a preset: how large the simulated platform is that `mtmd simulate` writes logs of."""

from pydantic import Field

from mtmd.config.base import Frozen


class SimulationConfig(Frozen):
    """Sizes of the simulated platform; what is left out is the demo's. A run on logs reads none of it."""

    requests_per_day: int | None = Field(None, ge=10, description="1,000 when left out")
    users: int | None = Field(None, ge=10, description="3,000 when left out")
    ads: int | None = Field(None, ge=20, description="ads alive on a day; 2,400 when left out")
