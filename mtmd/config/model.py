"""`[model]`, `[rivals]` and `[training]` of a preset: sizes, switches and the optimisation of MTMD and its rivals.

Defaults are the paper's, or a deviation's that is better: docs/paper.md lists the deviations.
"""

from collections.abc import Sequence
from math import inf
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from mtmd.config.base import Section

Width = Annotated[int, Field(ge=1, le=65_536)]  # of a layer; more would not fit any machine


class ModelConfig(Section):
    """The MTMD model (paper §2)."""

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
    se_reduction: ClassVar[int] = 2  # SE hidden width = fields / reduction; §2.1.2
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
    norm_min_rows: int = Field(
        32,
        ge=2,
        description="with fewer values of a number than this in a domain's window their variance is not used; §2.1.2",
    )

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


class RivalConfig(Section):
    """A plain two-tower MLP that MTMD is compared with each day, besides the champion and the constant."""

    architecture: Literal["per_slice", "pooled"] = Field(
        "per_slice",
        description="one network for each slice (§3.2), or one for all rows; the rival's own name when left out",
    )
    widths: tuple[Width, ...] = Field((512, 256, 128), min_length=1)
    embedding: Width = Field(64, description="width of the tower's output")
    learning_rate: float = Field(1e-3, gt=0, description="its own, tuned on the validation slice")
    weight_decay: float | None = Field(
        None,
        ge=0,
        description="weight decay of its own; that of [training] when left out",
    )
    every_days: int = Field(
        1,
        ge=0,
        le=60,
        description="days from one training to the next; 1: each day, 7: each Monday. On the other days the newest "
        "stored one is compared, and its age is shown. 0: neither trained nor compared",
    )

    def recipe(self) -> dict[str, Any]:
        """What decides its weights."""
        return self.model_dump(mode="json", exclude={"every_days"})


def rivals_of(given: Any) -> Any:
    """`[rivals.<name>]` of a preset, with the two that are always there; a name is also an architecture's."""
    if not isinstance(given, dict):
        return given
    named: dict[str, Any] = {"per_slice": {}, "pooled": {}, **given}
    return {
        name: {"architecture": name} | values if isinstance(values, dict) else values
        for name, values in named.items()
    }


class AblationsConfig(Section):
    """The daily run's ablation variants."""

    every_days: int = Field(
        1,
        ge=0,
        le=60,
        description="days from one training of the variants to the next; 1: each day, 7: each Monday, 0: never. On the "
        "other days there is no ablation, because an older variant would be worse by its age alone",
    )


class TrainingConfig(Section):
    """Optimisation; the budget (epochs, batch) is shared by MTMD and its rivals."""

    learning_rate: float = Field(1e-3, gt=0)
    embedding_rate: float = Field(
        1.0,
        gt=0,
        description="learning rate of embedding tables, as a share of the others': ids are in few batches",
    )
    weight_decay: float = Field(1e-2, ge=0)
    batch_requests: int = Field(256, ge=1, description="distinct requests in a batch; all come from one day")
    epochs: int = Field(8, ge=1)
    warmup_fraction: ClassVar[float] = 0.05  # share of all steps with a rising learning rate
    final_lr_fraction: ClassVar[float] = 0.01  # learning rate at the end / at the peak (cosine)
    max_gradient_norm: ClassVar[float] = 1.0  # cuts rare spikes; usual norms are below it
    loss_weights: dict[str, float] | float = Field(
        description="weight of each task's KL, or one for all; §2.3: larger on ctr"
    )
    score_power: float = Field(
        0.0,
        ge=0,
        le=1,
        description="a pair's KL is divided by the model's own score to this power; 0 is the paper's loss",
    )
    validation_fraction: float = Field(
        0.05, gt=0, lt=0.5, description="requests of the window that choose the epoch whose weights are kept"
    )
    sample_fraction: float = Field(
        1.0, gt=0, le=1, description="share of the window's requests that is trained on; paper §3.4"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="auto: bfloat16 where it is fast"
    )
    seed: int = Field(0, ge=0, lt=2**63, description="of weights, batches and dropout")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "cpu",
        description="what models are trained and scored on. auto: a GPU where torch finds one, otherwise the CPU; see "
        "docs/extras/ranks.md",
    )

    @property
    def recipe(self) -> dict[str, Any]:
        """What decides the weights. Not the device: it is part of a training's name only where it is a GPU."""
        return self.model_dump(mode="json", exclude={"device"})

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = self.loss_weights
        weights = given if isinstance(given, dict) else {"all": given}
        if bad := {task: weight for task, weight in weights.items() if not 0 <= weight < inf}:
            raise ValueError(f"loss weights must be finite and not negative: {bad}")
        if not any(weights.values()):
            raise ValueError(f"loss weights {weights} must not all be 0: nothing would be learnt")
        return self

    def task_weights(self, tasks: Sequence[str]) -> tuple[float, ...]:
        """Weight of each task's KL."""
        weights = self.loss_weights
        return tuple(weights[task] if isinstance(weights, dict) else weights for task in tasks)
