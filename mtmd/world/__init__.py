"""The simulated ad platform: the embedded default's logs, and the truth behind them for evaluation only."""

from mtmd.world.config import WorldConfig
from mtmd.world.simulate import DayTruth, day_truth, simulate

__all__ = ["DayTruth", "WorldConfig", "day_truth", "simulate"]
