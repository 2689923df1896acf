"""Configuration: domains, features, model, training, gates; presets and ablation variants are TOML files."""

from mtmd.config.base import Frozen
from mtmd.config.declarations import Declarations, IdsConfig, IdType, SideSchema
from mtmd.config.domains import Domain, Domains, Slice, Task
from mtmd.config.limits import DataConfig, EvaluationConfig, GatesConfig, MonitorConfig, RetentionConfig
from mtmd.config.model import ModelSettings, RivalConfig, TrainingConfig
from mtmd.config.preset import (
    MAX_WINDOW_DAYS,
    SHORTEST_WINDOW_DAYS,
    Preset,
    Variant,
    all_variants,
    load_preset,
    variant,
    variants,
)
from mtmd.config.preset_files import preset_names
from mtmd.config.sources import DAY, DAY_CODES, SourcesConfig

__all__ = [
    "DAY",
    "DAY_CODES",
    "MAX_WINDOW_DAYS",
    "SHORTEST_WINDOW_DAYS",
    "DataConfig",
    "Declarations",
    "Domain",
    "Domains",
    "EvaluationConfig",
    "Frozen",
    "GatesConfig",
    "IdType",
    "IdsConfig",
    "ModelSettings",
    "MonitorConfig",
    "Preset",
    "RetentionConfig",
    "RivalConfig",
    "SideSchema",
    "Slice",
    "SourcesConfig",
    "Task",
    "TrainingConfig",
    "Variant",
    "all_variants",
    "load_preset",
    "preset_names",
    "variant",
    "variants",
]
