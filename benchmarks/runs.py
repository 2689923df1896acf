"""What the benchmarks on a window share: the daily job's plan and shards, without its validation."""

from collections.abc import Sequence
from datetime import date

from mtmd.config import Preset
from mtmd.data import ShardRef, extract_day
from mtmd.stages import RunPlan, training_days


def plan_of(
    preset: Preset, as_of: date, *, window_days: int | None = None, logs: str | None = None, artifacts: str
) -> RunPlan:
    """The daily job's plan, with a window of any length."""
    days = preset.window_days if window_days is None else window_days
    return RunPlan(
        as_of=as_of,
        days=training_days(preset, as_of, days),
        preset=preset,
        logs=preset.logs if logs is None else logs,
        artifacts=artifacts,
    )


def as_trained(preset: Preset) -> Preset:
    """The preset without the step to the newest day's level, for what is judged on requests of the whole window."""
    training = preset.training.model_copy(update={"level_days": 0})
    return preset.model_copy(update={"training": training})


def extracted(plan: RunPlan, days: Sequence[date]) -> list[ShardRef]:
    """Shards of these days, made where they are not there yet."""
    return [extract_day(plan.logs, day, plan.preset.declarations, plan.workspace.shards) for day in days]
