"""Extract one day of a plan into a shard."""

from datetime import date

from mtmd.data import ShardRef, extract_day
from mtmd.errors import LogsError
from mtmd.stages.plan import RunPlan


def extract(plan: RunPlan, day: date, validated: str) -> ShardRef:
    """The day's shard, taken from an earlier run when its sources and declarations are the same.

    `validated` is the digest of the sources that the suites saw. Raises LogsError when others are there now.
    """
    shard = extract_day(plan.logs, day, plan.preset.declarations, plan.workspace.shards)
    if shard.sources != validated:
        raise LogsError(f"logs of {day} changed after they were validated; run again when they are complete")
    return shard
