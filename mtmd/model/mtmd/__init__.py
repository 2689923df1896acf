"""`mtmd`: the multi-task multi-domain two-tower network of the paper (§2), a Domain Expert for each domain."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from mtmd.config import Declarations
from mtmd.config.model import ModelSettings, Width, check_tasks


class Settings(ModelSettings):
    """Sizes and switches, whose defaults are the paper's."""

    label: ClassVar[str] = "MTMD"
    architecture: Literal["mtmd"] = "mtmd"
    expert_widths: tuple[Width, ...] = Field((512, 256, 128, 128), min_length=1, description="§2.1.3, §2.1.4")
    shallow_widths: tuple[Width, ...] = Field(
        (128, 64), min_length=1, description="§2.1.3; the last is emb_shallow"
    )
    router_widths: tuple[Width, ...] = Field((128, 64), min_length=1, description="§2.1.5, before |Expert|")
    leaky_slope: ClassVar[float] = 0.2  # §2.1.3
    norm: Literal["pre", "post", "none"] = Field(
        "pre", description="LayerNorm before or after the linear; §3.4"
    )
    adaptation: Literal["domain", "shared"] = Field(
        "domain", description="norm, defaults and SE per domain, or one norm and no SE; §2.1.2"
    )
    task_shared_expert: bool = Field(True, description="one expert per domain that its tasks share; §2.1.4")
    domain_shared_expert: bool = Field(
        True, description="one expert per tower that its domains share; §2.1.4"
    )
    shallow_expert: bool = Field(True, description="§2.1.3")
    routing: bool = Field(
        True, description="learned weights of the experts; without, all count the same; §2.1.5"
    )
    composition: Literal["concat", "sum"] = Field(
        "concat", description="how routed expert outputs meet; §2.1.5"
    )
    cross_layers: int = Field(2, ge=0, le=100, description="low-rank DCN v2 layers, 0 for none; §2.1.5")
    cross_rank: Width = Field(64, description="rank of each cross layer")
    emb_deep: dict[str, Width] | Width = Field(
        description="width of emb_deep per task, or one for all; §2.3: 128 ctr, 32 gctr and octr"
    )

    def check(self, declarations: Declarations, table: str) -> None:
        """`emb_deep` has exactly the tasks there are."""
        check_tasks(f"{table}.emb_deep", self.emb_deep, declarations.domains.task_names)

    def deep_widths(self, tasks: Sequence[str]) -> tuple[Width, ...]:
        """Width of emb_deep of each task."""
        widths = self.emb_deep
        return tuple(widths if isinstance(widths, int) else widths[task] for task in tasks)

    @property
    def shallow_width(self) -> int:
        """Width of emb_shallow; 0 without a shallow expert."""
        return self.shallow_widths[-1] if self.shallow_expert else 0

    @property
    def routed(self) -> tuple[str, ...]:
        """The experts whose outputs meet in a task's emb_deep, in the order of its routing weights."""
        shared = {"task_shared": self.task_shared_expert, "domain_shared": self.domain_shared_expert}
        return ("deep", *(name for name, present in shared.items() if present))
