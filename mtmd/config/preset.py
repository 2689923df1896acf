"""A preset: one TOML file with everything that is not a fact of the day, or with what differs from another preset."""

import tomllib
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator

from mtmd.config.base import Frozen, merged
from mtmd.config.domains import Domains
from mtmd.config.features import Declarations, Feature
from mtmd.config.model import ModelConfig, RivalsConfig
from mtmd.config.sections import (
    ABTestConfig,
    DataConfig,
    EvaluationConfig,
    GatesConfig,
    MonitorConfig,
    RetentionConfig,
)
from mtmd.config.training import TrainingConfig
from mtmd.errors import ConfigError

_PRESETS = Path(__file__).parent / "presets"
MIN_WINDOW_DAYS, MAX_WINDOW_DAYS = 20, 60
_Reason = Annotated[str, Field(pattern=r"\S")]


class Preset(Frozen):
    """The whole configuration of one line of models."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9-]*$", description="names the line: artifacts/<name>/ has its champion"
    )
    logs: str = Field(description="where the three log tables are: a path or a file:// URI")
    window_days: int = Field(
        28, ge=MIN_WINDOW_DAYS, le=MAX_WINDOW_DAYS, description="training days before as_of"
    )
    left_out: dict[date, _Reason] = Field(
        {}, description="days that no window uses, and why: wrong or lost, and not to be delivered again"
    )
    domains: Domains
    features: tuple[Feature, ...]
    hash_seed: int = Field(0, ge=0)
    data: DataConfig = DataConfig()
    model: ModelConfig
    rivals: RivalsConfig = RivalsConfig()
    training: TrainingConfig
    evaluation: EvaluationConfig = EvaluationConfig()
    gates: GatesConfig = GatesConfig()
    ab_test: ABTestConfig = ABTestConfig()
    monitor: MonitorConfig = MonitorConfig()
    retention: RetentionConfig = RetentionConfig()

    @model_validator(mode="after")
    def _check(self) -> Self:
        tasks = set(self.domains.task_names)
        for key, given in (
            ("model.emb_deep", self.model.emb_deep),
            ("training.loss_weights", self.training.loss_weights),
        ):
            if isinstance(given, dict) and set(given) != tasks:
                raise ValueError(f"{key} has {sorted(given)}; it must have exactly the tasks {sorted(tasks)}")
        if unknown := set(self.evaluation.value_weights) - tasks:
            raise ValueError(
                f"evaluation.value_weights names {sorted(unknown)}; it may name {sorted(tasks)} only"
            )
        _ = self.declarations
        return self

    @cached_property
    def declarations(self) -> Declarations:
        return Declarations(domains=self.domains, features=self.features, hash_seed=self.hash_seed)


def load_preset(name_or_path: str) -> Preset:
    """Read a preset by its name, or from a path that ends in .toml.

    Raises ConfigError naming the preset, the key and the value that is wrong.
    """
    path = _path(name_or_path)
    values = _read(path)
    try:
        return Preset.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"preset {path} is wrong:\n{error}") from error


def preset_names() -> tuple[str, ...]:
    """Names of the presets that ship with the package."""
    return tuple(sorted(path.stem for path in _PRESETS.glob("*.toml")))


def _path(name_or_path: str, folder: Path = Path()) -> Path:
    """Where a preset is: a shipped one by its name, any by a path that ends in .toml, seen from `folder`.

    Raises ConfigError where there is no such file.
    """
    path = folder / name_or_path if name_or_path.endswith(".toml") else _PRESETS / f"{name_or_path}.toml"
    if not path.is_file():
        raise ConfigError(
            f"preset {name_or_path!r} not found; use one of {list(preset_names())} or a path to a .toml"
        )
    return path


def _read(path: Path, derived: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The values of a preset's file, laid over those of its `base` where it has one.

    `base` is a shipped preset's name, or a path from the file's folder. `derived` are the files that led here.
    Raises ConfigError for a file that is not TOML, a base that is not found or leads back, and no name beside a base.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"preset {path} is not valid TOML: {error}") from error
    if "base" not in values:
        return values
    base = values.pop("base")
    if not isinstance(base, str):
        raise ConfigError(f"preset {path} has base {base!r}; it must be a preset's name or a path to a .toml")
    if "name" not in values:
        raise ConfigError(
            f"preset {path} has base {base!r} and no name of its own; give it one, or its models would be {base}'s"
        )
    try:
        below = _path(base, path.parent)
    except ConfigError as error:
        raise ConfigError(f"preset {path} has base {base!r}: {error}") from error
    files = (*derived, path)
    if any(below.samefile(file) for file in files):
        way = " → ".join(file.name for file in (*files, below))
        raise ConfigError(f"preset {path} has base {base!r}, which leads back: {way}; let one stand alone")
    return merged(_read(below, files), values)
