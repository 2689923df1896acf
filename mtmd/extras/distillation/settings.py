"""`[extras.distillation]` of a preset: how much towers learn from a cross model, and that model's own sizes."""

from typing import Any

from pydantic import Field

from mtmd.config.base import ExtraSettings
from mtmd.config.model import Width


class Settings(ExtraSettings):
    """The cross model is a network that reads the features of a request and of an ad together."""

    weight: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="of the loss's term on pairs that were not logged, which a cross model scores; 0: no such term, "
        "and no cross model",
    )
    pairs: int = Field(16, ge=1, description="such pairs that are drawn for a request in each epoch")
    tower_widths: tuple[Width, ...] = Field(
        (512,), description="hidden layers that read one side, before the sides meet; none: () is allowed"
    )
    meeting_width: Width = Field(
        256, description="width of the first layer of both sides, and of their product beside it"
    )
    pair_widths: tuple[Width, ...] = Field((256, 128), description="hidden layers after that, of a pair")
    learning_rate: float = Field(2e-3, gt=0, allow_inf_nan=False, description="of the cross model")
    epochs: int = Field(
        8, ge=1, description="passes over the window; the last one's weights are kept, as nothing stops early"
    )

    def recipe(self) -> dict[str, Any]:
        """All of it, where a cross model teaches."""
        return self.model_dump(mode="json") if self.weight else {}
