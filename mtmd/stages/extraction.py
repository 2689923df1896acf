"""Extract one day of a plan into a shard."""

from datetime import date

from mtmd.data import ShardRef, extract_day
from mtmd.stages.plan import RunPlan


def extract(plan: RunPlan, day: date) -> ShardRef:
    """The day's shard, taken from an earlier run when its sources and declarations are the same."""
    return extract_day(plan.logs, day, plan.preset.declarations, plan.workspace.shards)
