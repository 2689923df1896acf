"""The kinds of models, and how each is built from a preset."""

from typing import Literal

import torch

from mtmd.config import Preset
from mtmd.errors import ConfigError
from mtmd.model.baseline import PerSlice
from mtmd.model.pooled import Pooled
from mtmd.model.ranker import RankingModel
from mtmd.model.two_tower import MTMD

ModelKind = Literal["mtmd", "per_slice", "pooled"]


def build_model(kind: ModelKind, preset: Preset) -> RankingModel:
    """A new model with weights drawn from the preset's training seed; the global generator is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(preset.training.seed)
        if kind == "mtmd":
            return MTMD(preset.declarations, preset.model)
        if kind == "per_slice":
            return PerSlice(preset.declarations, preset.rivals.per_slice, preset.model)
        if kind == "pooled":
            return Pooled(preset.declarations, preset.rivals.pooled, preset.model)
    raise ConfigError(f"model kind {kind!r} is not known; use mtmd, per_slice or pooled")
