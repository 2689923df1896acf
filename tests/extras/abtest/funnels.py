"""Traffic of the tiny platform for tests of the funnel and of experiments in it."""

from datetime import date
from functools import cache

from mtmd.extras.abtest.settings import FunnelConfig
from mtmd.extras.abtest.traffic import Traffic, draw_traffic
from mtmd.sources.simulated.platform import SimulatedPlatform
from tests.worlds import tiny_world

DAY = date(2026, 1, 21)
FUNNEL = FunnelConfig(requests=300, broad=20, keep=8, slots=3)


@cache
def tiny_platform(further_tasks: bool = False) -> SimulatedPlatform:
    world = tiny_world(further_tasks=further_tasks)
    return SimulatedPlatform(world)


@cache
def tiny_traffic(sample: int = 0, further_tasks: bool = False) -> Traffic:
    """Read-only by convention."""
    return draw_traffic(tiny_platform(further_tasks), DAY, FUNNEL, sample)
