"""The simulated ad platform: the embedded default for logs, and a test bed whose truth is known."""

from mtmd.world.config import WorldConfig
from mtmd.world.platform import DayTruth, day_truth, require_columns, simulate, world_at

__all__ = ["DayTruth", "WorldConfig", "day_truth", "require_columns", "simulate", "world_at"]
