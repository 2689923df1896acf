"""The simulated ad platform: the embedded default for logs, and a test bed whose truth is known."""

from mtmd.world.config import FunnelConfig, WorldConfig
from mtmd.world.funnel import Delivery, LightweightRanker, chance, deliver, heavyweight, oracle
from mtmd.world.platform import (
    DayTruth,
    Platform,
    day_truth,
    has_further_tasks,
    require_columns,
    simulate,
    world_at,
)
from mtmd.world.traffic import Traffic, draw_traffic

__all__ = [
    "DayTruth",
    "Delivery",
    "FunnelConfig",
    "LightweightRanker",
    "Platform",
    "Traffic",
    "WorldConfig",
    "chance",
    "day_truth",
    "deliver",
    "draw_traffic",
    "has_further_tasks",
    "heavyweight",
    "oracle",
    "require_columns",
    "simulate",
    "world_at",
]
