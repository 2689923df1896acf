"""`mmoe_dcn`: experts that all domains and tasks of a tower share, and a gate for each domain and task."""

from typing import ClassVar, Literal

from pydantic import Field

from mtmd.config.model import TowerSettings, Width


class Settings(TowerSettings):
    """Sizes; the module `network` says what they are of."""

    label: ClassVar[str] = "MMoE-DCN"
    architecture: Literal["mmoe_dcn"] = "mmoe_dcn"
    experts: int = Field(4, ge=1, le=64, description="experts of a tower")
    expert_widths: tuple[Width, ...] = Field(
        (512, 256, 128, 128),
        min_length=2,
        description="layers of an expert; the last reads its cross layers too",
    )
    full_cross_layers: int = Field(0, ge=0, le=100, description="full-rank cross layers of an expert")
    cross_layers: int = Field(1, ge=0, le=100, description="low-rank cross layers of an expert, after those")
    cross_rank: Width = Field(64, description="rank of each low-rank cross layer")
    gate_widths: tuple[Width, ...] = Field(
        (128, 64), min_length=1, description="layers of a gate before the one with a weight for each expert"
    )
    emb_deep: dict[str, Width] | Width = Field(64, description="width of emb_deep per task, or one for all")
