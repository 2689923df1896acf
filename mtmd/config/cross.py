"""`[training.cross]` of a preset: the cross model that towers are distilled from (`training.distil`)."""

from pydantic import Field

from mtmd.config.base import Frozen
from mtmd.config.model import Width


class CrossConfig(Frozen):
    """A network that reads the features of a request and of an ad together; see docs/model.md."""

    tower_widths: tuple[Width, ...] = Field(
        (512,), description="hidden layers that read one side, before the sides meet; none: () is allowed"
    )
    meeting_width: Width = Field(
        256, description="width of the first layer of both sides, and of their product beside it"
    )
    pair_widths: tuple[Width, ...] = Field((256, 128), description="hidden layers after that, of a pair")
    learning_rate: float = Field(2e-3, gt=0, allow_inf_nan=False)
    epochs: int = Field(
        8, ge=1, description="passes over the window; the last one's weights are kept, as nothing stops early"
    )
