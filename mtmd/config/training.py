"""`[training]` of a preset: the optimisation of MTMD and its rivals."""

from collections.abc import Sequence
from math import inf
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from mtmd.config.base import Section


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
