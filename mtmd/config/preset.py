"""A preset: one TOML file with everything that is not a fact of the day, or with what differs from another preset.

An ablation's variant is a preset with one factor changed (paper §3.4).
"""

import inspect
import tomllib
from datetime import date
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar

from pydantic import BeforeValidator, Field, ValidationError, create_model, model_validator

from mtmd import extension
from mtmd.config import limits
from mtmd.config.base import ExtraSettings, Frozen, merged, wrong_values
from mtmd.config.declarations import Declarations, IdsConfig
from mtmd.config.domains import Domains, Name
from mtmd.config.model import (
    AblationsConfig,
    AnyModel,
    ModelSettings,
    RivalConfig,
    TrainingConfig,
    architecture,
    architectures,
    check_tasks,
    rivals_of,
)
from mtmd.config.preset_files import laid_over, preset_path, read_preset
from mtmd.config.sources import SourcesConfig
from mtmd.errors import ConfigError
from mtmd.features import AnyFeature

_Settings = TypeVar("_Settings", bound=ExtraSettings)


class _Extras(Frozen):
    """The settings of every extra, by its name."""

    def of(self, kind: type[_Settings]) -> _Settings:
        """The settings of an extra, by their class."""
        return next(settings for _, settings in self if isinstance(settings, kind))

    def recipes(self) -> dict[str, dict[str, Any]]:
        """What of each extra's settings decides trained weights, of those where that is something."""
        found = {name: settings.recipe() for name, settings in self}
        return {name: recipe for name, recipe in found.items() if recipe}


if TYPE_CHECKING:

    class Extras(_Extras):
        """The settings of every extra, by its name."""
else:
    _SETTINGS: dict[str, type[ExtraSettings]] = extension.settings()
    Extras = create_model(
        "Extras",
        __base__=_Extras,
        __doc__="The settings of every extra, by its name.",
        **{name: (settings, settings()) for name, settings in _SETTINGS.items()},
    )


MIN_WINDOW_DAYS, MAX_WINDOW_DAYS = 20, 60
SHORTEST_WINDOW_DAYS = 7  # that a preset may ask for: one of each weekday
_Reason = Annotated[str, Field(pattern=r"\S")]


class Preset(Frozen):
    """The whole configuration of one line of models."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9-]*$",
        max_length=100,
        description="names the line: artifacts/<name>/ has its champion",
    )
    logs: str = Field(
        description="where the three log tables are: a path, or a bucket's URL (s3://bucket/prefix)"
    )
    sql: str | None = Field(
        None,
        description="folder of source_requests.sql, source_ads.sql and source_candidates.sql, seen from the "
        "preset's file; left out where the logs have the contract's columns",
    )
    sources: SourcesConfig = Field(SourcesConfig(), description="where each table's days are")
    expectations: str | None = Field(
        None,
        description="Python file with expectations of the team's own, seen from the preset's file: a function "
        "expectations(preset)",
    )
    window_days: int = Field(
        28, ge=1, le=MAX_WINDOW_DAYS, description="training days before as_of, at least min_window_days"
    )
    min_window_days: int = Field(
        MIN_WINDOW_DAYS,
        ge=SHORTEST_WINDOW_DAYS,
        le=MAX_WINDOW_DAYS,
        description="fewest training days of a run. 20 days hold each weekday two or three times; with fewer, weekly "
        "cycles pass for trends. Lower it to try the job on logs that are younger",
    )
    left_out: dict[date, _Reason] = Field(
        {}, description="days that no window uses, and why: wrong or lost, and not to be delivered again"
    )
    domains: Domains
    features: tuple[AnyFeature, ...]
    ids: IdsConfig = IdsConfig()
    data: limits.DataConfig = limits.DataConfig()
    model: AnyModel = Field(description="the candidate's architecture, and its settings")
    rivals: Annotated[dict[Name, RivalConfig], BeforeValidator(rivals_of)] = Field(
        {}, validate_default=True, description="what the candidate is compared with each day, by names"
    )
    ablations: AblationsConfig = Field(
        AblationsConfig(), description="how often the daily run trains the ablation's variants"
    )
    training: TrainingConfig
    evaluation: limits.EvaluationConfig = limits.EvaluationConfig()
    gates: limits.GatesConfig = limits.GatesConfig()
    promotion: limits.PromotionConfig = limits.PromotionConfig()
    publication: limits.PublicationConfig = limits.PublicationConfig()
    monitor: limits.MonitorConfig = limits.MonitorConfig()
    retention: limits.RetentionConfig = limits.RetentionConfig()
    simulation: limits.SimulationConfig = limits.SimulationConfig()
    extras: Extras = Field(Extras(), description="the tables of extras, by their names")

    @model_validator(mode="before")
    @classmethod
    def _tell_tasks(cls, values: Any) -> Any:
        """Tasks that do not say what they learn from get it from [training], as shards and models know tasks alone."""
        try:
            if values["training"]["learn_from"] != "actions":
                return values
            tasks = [{"learn_from": "actions"} | task for task in values["domains"]["tasks"]]
        except (KeyError, TypeError):
            return values  # absent, or wrong, which the fields' own checks say
        return values | {"domains": values["domains"] | {"tasks": tasks}}

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.window_days < self.min_window_days:
            raise ValueError(
                f"window_days ({self.window_days}) must be at least min_window_days ({self.min_window_days}); lengthen "
                "the window, or lower min_window_days if the logs are younger"
            )
        if late := [task.name for task in self.domains.tasks if task.maturity > self.window_days]:
            raise ValueError(
                f"maturity of {late} must be at most window_days ({self.window_days}): no day would teach them"
            )
        if (step := self.training.forecast_step) and not self.domains.score_tasks:
            raise ValueError(
                f"training.forecast_step ({step}) moves scores, which no task learns from; set it to 0"
            )
        check_tasks("training.loss_weights", self.training.loss_weights, self.domains.task_names)
        self.model.check(self.declarations, "model")
        for name, rival in self.rivals.items():
            rival.model.check(self.declarations, f"rivals.{name}")
        return self

    @model_validator(mode="after")
    def _check_candidate(self) -> Self:
        if not self.model.servable:
            others = [name for name in architectures() if architecture(name).servable]
            raise ValueError(
                f"model.architecture ({self.candidate!r}) can only be a rival's, because it has no towers to "
                f"serve; use one of {others}"
            )
        if taken := {self.candidate, "constant", "champion", "anchor"} & self.rivals.keys():
            raise ValueError(
                f"rivals.{min(taken)} has the name of the candidate's architecture, or of another model that the "
                "candidate is compared with; give the rival another name"
            )
        self.promotion.check(self.candidate, self.rivals)
        return self

    @model_validator(mode="after")
    def _check_extras(self) -> Self:
        for _, settings in self.extras:
            settings.check(self)
        return self

    @cached_property
    def declarations(self) -> Declarations:
        return Declarations(domains=self.domains, features=self.features, ids=self.ids)

    @property
    def candidate(self) -> str:
        """The kind of the preset's own model: its architecture. The other kinds are the rivals' names."""
        return self.model.architecture

    @property
    def contestants(self) -> tuple[str, ...]:
        """The kinds of models that may go live, the preset's own first."""
        return (self.candidate, *self.promotion.contestants)

    def model_of(self, kind: str) -> ModelSettings:
        """The architecture of a kind of model, and its settings."""
        return self.model if kind == self.candidate else self.rivals[kind].model

    def led_by(self, kind: str) -> Self:
        """The preset with the architecture of a kind of model as its own: what is exported, and how."""
        return self.model_copy(update={"model": self.model_of(kind)})

    def training_of(self, kind: str) -> TrainingConfig:
        """The optimisation of a kind of model: a rival's learning rate and weight decay are its own."""
        if kind == self.candidate:
            return self.training
        given = self.rivals[kind].model_dump(include={"learning_rate", "weight_decay"}, exclude_none=True)
        return self.training.model_copy(update=given)


def load_preset(name_or_path: str, changes: dict[str, Any] | None = None) -> Preset:
    """Read a preset by its name, or from a path that ends in .toml; with `changes` as if a file with this as its base.

    Raises ConfigError naming the preset, the key and the value that is wrong.
    """
    path = preset_path(name_or_path)
    values = read_preset(path)
    if changes:
        values = laid_over(values, changes, path)
    try:
        return Preset.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"preset {path} is wrong:\n{wrong_values(error, values, Preset)}") from error


class Variant(Frozen):
    """One factor, and the change of the configuration that takes it away."""

    name: str
    factor: str = Field(description="what the difference to the candidate is the contribution of")
    added: bool = Field(False, description="the variant has the factor and the candidate lacks it")
    daily: bool = Field(False, description="a row of the paper's Table 6")
    fewer_steps: bool = Field(
        False,
        description="with a share of the window's requests, keep the number of epochs, and so have fewer steps",
    )
    patch: dict[str, Any] = Field(description="sections and keys of a preset, with other values")

    def of(self, preset: Preset) -> Preset:
        """The preset with this variant's values; everything else is the same, the number of steps included.

        A window of which only a share is trained on is gone through more often, unless the variant has fewer steps.
        """
        changed = Preset.model_validate(merged(preset.model_dump(), self.patch))
        if self.fewer_steps:
            return changed
        training = changed.training
        epochs = max(1, round(training.epochs * preset.training.sample_fraction / training.sample_fraction))
        return changed.model_copy(update={"training": training.model_copy(update={"epochs": epochs})})

    def changes(self, preset: Preset) -> bool:
        """Whether the preset lacks this variant's values: one that has them already has nothing to compare.

        A preset that trains on a smaller share has downsampling already: the variant would have less of it, not more.
        A preset whose tasks have no parents is unconstrained already, whatever its other sizes.
        """
        changed = self.of(preset)
        if changed.training.sample_fraction > preset.training.sample_fraction:
            return False
        if "domains" in self.patch and changed.domains.parents == preset.domains.parents:
            return False
        return changed != preset


@cache
def variants(of: str) -> dict[str, Variant]:
    """The variants of an architecture by their names, in the tables' order: its own, then those of all."""
    own = [inspect.getfile(architecture(of))] if of in architectures() else []
    files = [Path(place).with_name("variants.toml") for place in (*own, __file__)]
    read = [tomllib.loads(path.read_text(encoding="utf-8")) for path in files if path.is_file()]
    return {name: Variant(name=name, **values) for found in read for name, values in found.items()}


def all_variants() -> tuple[str, ...]:
    """The names of the variants of all architectures."""
    return tuple(dict.fromkeys(name for of in architectures() for name in variants(of)))


def variant(name: str, of: str) -> Variant:
    """A variant of an architecture by its name; raises ConfigError that lists the names there are."""
    try:
        return variants(of)[name]
    except KeyError:
        raise ConfigError(
            f"ablation variant {name!r} is not known; architecture {of!r} has {list(variants(of))}; use one of these"
        ) from None
