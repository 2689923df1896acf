"""`plain`: one plain two-tower network of all rows, whose heads are the tasks."""

from typing import ClassVar, Literal

from pydantic import Field

from mtmd.config.model import ModelSettings, Width


class Settings(ModelSettings):
    """Sizes."""

    label: ClassVar[str] = "the plain two-tower"
    architecture: Literal["plain"] = "plain"
    widths: tuple[Width, ...] = Field((512, 256, 128), min_length=1, description="of a tower's hidden layers")
    embedding: Width = Field(64, description="width of each task's embedding")
