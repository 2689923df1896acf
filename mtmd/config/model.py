"""`[model]`, `[rivals]` and `[training]` of a preset: the candidate's network, its rivals', and how they learn.

Defaults are the paper's, or a deviation's that is better: docs/paper.md lists the deviations.
"""

import importlib
from collections.abc import Sequence
from math import inf
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    model_serializer,
    model_validator,
)

from mtmd.config.base import Section
from mtmd.config.declarations import Declarations
from mtmd.config.domains import LearnFrom
from mtmd.errors import ConfigError

_PACKAGE = "mtmd.model"  # asked by name, as it stands above this package and its networks need torch
Width = Annotated[int, Field(ge=1, le=65_536)]  # of a layer; more would not fit any machine


class ModelSettings(Section):
    """The base of an architecture's `Settings`: the table `[model]` of a preset, or what a rival's table has of them.

    An architecture is a folder of `mtmd/model/` whose name stands in `mtmd.model.ARCHITECTURES`: `Settings` in its
    `__init__.py`, and in `network.py` `Network`, which is called with declarations and settings.
    """

    label: ClassVar[str]  # what pages call it
    servable: ClassVar[bool] = True  # its network is a TwoTower, which may go live; others can only be rivals
    by_surface: ClassVar[bool] = False  # surfaces share no weight, so each trains on its own batches
    architecture: str = Field(description="which network it is")
    norm_min_rows: int = Field(
        32,
        ge=2,
        description="with fewer values of a number than this in a norm's window their variance is not used; §2.1.2",
    )

    def check(self, declarations: Declarations, table: str) -> None:
        """Raise ValueError, in words that name the `table` of the preset, where the declarations do not fit."""

    def recipe(self) -> dict[str, Any]:
        """What decides its weights; the architecture goes without saying, as names have it."""
        batches = {"by_surface": True} if self.by_surface else {}
        return self.model_dump(mode="json", exclude={"architecture"}) | batches

    @classmethod
    def models_of(cls, values: Any) -> tuple[type[BaseModel], ...]:
        name = values.get("architecture", ARCHITECTURE) if isinstance(values, dict) else None
        return (architecture(name),) if name in architectures() else (cls,)


ARCHITECTURE = "mtmd"  # of a preset that names none


def architectures() -> tuple[str, ...]:
    """The names of the architectures that there are."""
    registered: tuple[str, ...] = importlib.import_module(_PACKAGE).ARCHITECTURES
    return registered


def architecture(name: str) -> type[ModelSettings]:
    """The settings of an architecture; raises ConfigError that lists the names there are."""
    if name not in architectures():
        raise ConfigError(f"architecture ({name!r}) must be one of {list(architectures())}")
    settings: type[ModelSettings] = importlib.import_module(f"{_PACKAGE}.{name}").Settings
    return settings


def label_of(name: str) -> str:
    """What pages call the models of an architecture; of one that is gone, its name."""
    return architecture(name).label if name in architectures() else name


def check_tasks(key: str, given: Any, tasks: Sequence[str]) -> None:
    """Raise ValueError where settings by task, if they are such, are not of exactly these tasks."""
    if isinstance(given, dict) and set(given) != set(tasks):
        raise ValueError(f"{key} has {sorted(given)}; it must have exactly the tasks {sorted(tasks)}")


class TowerSettings(ModelSettings):
    """What architectures have in common whose towers adapt each domain's rows and have shallow experts."""

    shallow_widths: tuple[Width, ...] = Field(
        (128, 64), min_length=1, description="§2.1.3; the last is emb_shallow"
    )
    leaky_slope: ClassVar[float] = 0.2  # §2.1.3
    norm: Literal["pre", "post", "none"] = Field(
        "pre", description="LayerNorm before or after the linear; §3.4"
    )
    adaptation: Literal["domain", "shared"] = Field(
        "domain", description="norm, defaults and SE per domain, or one norm and no SE; §2.1.2"
    )
    shallow_expert: bool = Field(True, description="§2.1.3")
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


def _chosen(given: Any) -> Any:
    """A table as the settings of its architecture."""
    if not isinstance(given, dict):
        return given
    try:
        settings = architecture(given.get("architecture", ARCHITECTURE))
    except ConfigError as error:
        raise ValueError(str(error)) from error
    return settings.model_validate(given)


AnyModel = Annotated[SerializeAsAny[ModelSettings], BeforeValidator(_chosen)]


class RivalConfig(Section):
    """A model that the candidate is compared with each day, besides the champion and the constant.

    In files, and in what is dumped, the settings of its architecture stand beside the other keys.
    """

    model: AnyModel
    learning_rate: float = Field(1e-3, gt=0, description="its own, tuned on the validation slice")
    weight_decay: float | None = Field(
        None, ge=0, description="weight decay of its own; that of [training] when left out"
    )
    every_days: int = Field(
        1,
        ge=0,
        le=60,
        description="days from one training to the next; 1: each day, 7: each Monday. On the other days the newest "
        "stored one is compared, and its age is shown; it is trained where there is none, as on a line's first day. "
        "0: neither trained nor compared",
    )

    @model_validator(mode="before")
    @classmethod
    def _apart(cls, given: Any) -> Any:
        if not isinstance(given, dict) or isinstance(given.get("model"), ModelSettings):
            return given
        own = cls.model_fields.keys() - {"model"}
        settings = {key: value for key, value in given.items() if key not in own}
        return {"model": settings} | {key: value for key, value in given.items() if key in own}

    @model_serializer(mode="wrap")
    def _beside(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values = dict(dump(self))
        settings: dict[str, Any] = values.pop("model", {})
        return settings | values

    @classmethod
    def models_of(cls, values: Any) -> tuple[type[BaseModel], ...]:
        named = isinstance(values, dict) and "architecture" in values  # else its own name may say it
        return (cls, *(ModelSettings.models_of(values) if named else map(architecture, architectures())))

    def recipe(self) -> dict[str, Any]:
        """What decides its weights."""
        return self.model_dump(mode="json", exclude={"every_days"}) | self.model.recipe()


RIVALS = {"per_slice": "per_slice", "pooled": "plain"}  # of every preset, and their architectures


def rivals_of(given: Any, info: ValidationInfo) -> Any:
    """`[rivals.<name>]` of a preset, with those that are always there; a name may also be an architecture's.

    Norms are of as few rows as those of `[model]`, unless the rival says otherwise.
    """
    if not isinstance(given, dict):
        return given
    candidate = info.data.get("model")
    usual = {"norm_min_rows": candidate.norm_min_rows} if isinstance(candidate, ModelSettings) else {}
    named: dict[str, Any] = {**{name: {} for name in RIVALS}, **given}
    return {
        name: {"architecture": RIVALS.get(name, name)} | usual | values
        if isinstance(values, dict)
        else values
        for name, values in named.items()
    }


class AblationsConfig(Section):
    """The daily run's ablation variants."""

    every_days: int = Field(
        1,
        ge=0,
        le=60,
        description="days from one training of the variants to the next; 1: each day, 7: each Monday, 0: never. They "
        "are also trained while the line has no champion. On the other days there is no ablation, because an older "
        "variant would be worse by its age alone",
    )


class TrainingConfig(Section):
    """Optimisation; the budget (epochs, batch) is shared by the candidate and its rivals."""

    learn_from: LearnFrom = Field(
        "scores",
        exclude_if=lambda given: given == "scores",
        description="the heavyweight ranker's scores of all candidates, or what users did with the ads that were "
        "shown; a task may have another one",
    )
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
    half_life_days: float = Field(
        inf,
        ge=0.1,
        allow_inf_nan=True,
        exclude_if=lambda given: given == inf,
        description="age at which a day's rows weigh half as much as those of the window's newest day, in the loss and "
        "where the epoch is chosen; inf: all days are alike",
    )
    forecast_step: float = Field(
        0.0,
        ge=0,
        le=1,
        exclude_if=lambda given: given == 0.0,
        description="share of the newest day's difference between actions and scores, in log-odds, that the "
        "heavyweight ranker is expected to learn by the next day: all scores are moved by it; 0: by nothing",
    )
    loss_weights: dict[str, float] | float = Field(
        description="weight of each task's KL, or one for all; §2.3: larger on ctr"
    )
    score_power: float = Field(
        0.0,
        ge=0,
        le=1,
        description="a pair's KL is divided by the model's own score to this power; 0 is the paper's loss. Of tasks "
        "that learn from actions it is always 0, the log loss",
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
