"""`mtmd`: the multi-task multi-domain two-tower network of the paper (§2), a Domain Expert for each domain."""

from typing import ClassVar, Literal

from pydantic import Field

from mtmd.config.model import TowerSettings, Width


class Settings(TowerSettings):
    """Sizes and switches, whose defaults are the paper's."""

    label: ClassVar[str] = "MTMD"
    architecture: Literal["mtmd"] = "mtmd"
    expert_widths: tuple[Width, ...] = Field((512, 256, 128, 128), min_length=1, description="§2.1.3, §2.1.4")
    router_widths: tuple[Width, ...] = Field((128, 64), min_length=1, description="§2.1.5, before |Expert|")
    task_shared_expert: bool = Field(True, description="one expert per domain that its tasks share; §2.1.4")
    domain_shared_expert: bool = Field(
        True, description="one expert per tower that its domains share; §2.1.4"
    )
    routing: bool = Field(
        True, description="learned weights of the experts; without, all count the same; §2.1.5"
    )
    composition: Literal["concat", "sum"] = Field(
        "concat", description="how routed expert outputs meet; §2.1.5"
    )
    cross_layers: int = Field(2, ge=0, le=100, description="low-rank DCN v2 layers, 0 for none; §2.1.5")
    cross_rank: Width = Field(64, description="rank of each cross layer")

    @property
    def routed(self) -> tuple[str, ...]:
        """The experts whose outputs meet in a task's emb_deep, in the order of its routing weights."""
        shared = {"task_shared": self.task_shared_expert, "domain_shared": self.domain_shared_expert}
        return ("deep", *(name for name, present in shared.items() if present))
