"""The kinds of models, and how each is built from a preset: MTMD, and the preset's rivals by their names."""

from collections.abc import Callable

import torch

from mtmd.config import Declarations, ModelConfig, Preset
from mtmd.config.model import RivalConfig
from mtmd.model.per_slice import PerSlice
from mtmd.model.pooled import Pooled
from mtmd.model.ranker import RankingModel
from mtmd.model.two_tower import MTMD

ModelKind = str  # "mtmd", or a rival's name

# A new rival's network is a module, a line here, and its name in `RivalConfig.architecture`.
RIVALS: dict[str, Callable[[Declarations, RivalConfig, ModelConfig], RankingModel]] = {
    "per_slice": PerSlice,
    "pooled": Pooled,
}


def build_model(kind: ModelKind, preset: Preset) -> RankingModel:
    """A new model with weights drawn from the preset's training seed; the global generator is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(preset.training.seed)
        if kind == "mtmd":
            return MTMD(preset.declarations, preset.model)
        rival = preset.rivals[kind]
        return RIVALS[rival.architecture](preset.declarations, rival, preset.model)
