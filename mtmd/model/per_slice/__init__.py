"""`per_slice`: a two-tower network for each slice (paper §3.2), with nothing in common; only a rival can be that."""

from typing import ClassVar, Literal

from pydantic import Field

from mtmd.config.model import ModelSettings, Width


class Settings(ModelSettings):
    """Sizes of each slice's network."""

    label: ClassVar[str] = "the per-slice baselines"
    servable: ClassVar[bool] = False
    by_surface: ClassVar[bool] = True
    architecture: Literal["per_slice"] = "per_slice"
    widths: tuple[Width, ...] = Field((512, 256, 128), min_length=1, description="of a tower's hidden layers")
    embedding: Width = Field(64, description="width of the tower's output")
