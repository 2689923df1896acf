"""Which days a backfill runs, and what the others ended with; nothing runs here.

What a day ended with is what is durable of it: a summary of a run that decided, or a validation that failed. A run
that was killed leaves neither, so its day is run again under every policy: a backfill resumes by being started again.
"""

from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Literal, Self

from pydantic import Field

from mtmd.config import Frozen, Preset, load_preset
from mtmd.errors import ConfigError, LogsError
from mtmd.logs.source import LogSource
from mtmd.promote.findings import RunSummary
from mtmd.registry.records import SUMMARY, run_paths
from mtmd.registry.registry import Registry
from mtmd.run import plan_run
from mtmd.store.workspace import Workspace, read_record
from mtmd.validate.stage import DataQuality

Reprocess = Literal["none", "failed", "all"]


class BackfillDay(Frozen):
    """One day of a backfill: to run, or what it ended with."""

    as_of: date
    state: Literal["to run", "completed", "failed", "skipped", "left out", "blocked"] = Field(
        description="skipped: it was decided before; left out: by the preset, it never runs; blocked: it would run, "
        "and its logs are not there"
    )
    words: str = Field("", description="why it can't run, or what it ended with")
    model_id: str | None = None
    report: str | None = Field(None, description="path of the run's page")

    @classmethod
    def of(cls, summary: RunSummary) -> Self:
        """From what a run ended with."""
        return cls(
            as_of=summary.as_of,
            state="completed",
            words=summary.words,
            model_id=summary.model_id,
            report=summary.places["report"],
        )


def plan_backfill(
    first: date,
    last: date,
    preset: str,
    *,
    reprocess: Reprocess = "none",
    window_days: int | None = None,
    logs: str | None = None,
    artifacts: str = "artifacts",
) -> list[BackfillDay]:
    """Every day of first..last, the oldest first: was it decided, does the policy run it, and can it run.

    Raises ConfigError for a range that runs backwards.
    """
    if last < first:
        raise ConfigError(f"last ({last}) must not be before first ({first}); swap them")
    chosen = load_preset(preset)
    workspace = Workspace.of(artifacts, chosen)
    Registry(workspace.root).refresh()
    available = cache(LogSource.of(chosen, logs, workspace.spool).available_days)  # listed once for all days

    def look(day: date) -> BackfillDay:
        if (decided := _not_run(chosen, workspace, day, reprocess)) is not None:
            return decided
        try:
            plan_run(
                day, preset, window_days=window_days, logs=logs, artifacts=artifacts, available=available
            )
        except LogsError as error:
            return BackfillDay(as_of=day, state="blocked", words=str(error))
        return BackfillDay(as_of=day, state="to run")

    return [look(first + timedelta(days=offset)) for offset in range((last - first).days + 1)]


def _not_run(preset: Preset, workspace: Workspace, day: date, reprocess: Reprocess) -> BackfillDay | None:
    """A day that the preset or the policy leaves as it is; None for one to run."""
    if (why := preset.left_out.get(day)) is not None:
        return BackfillDay(as_of=day, state="left out", words=why)
    validation = read_record(workspace.latest_validation(day), DataQuality)
    if validation is not None and not validation.passed:  # whatever an earlier run of the day decided
        words = "its data suites failed in an earlier run; with reprocess='failed' it runs again"
        return BackfillDay(as_of=day, state="skipped", words=words) if reprocess == "none" else None
    path = next(iter(run_paths(workspace, day)), None)  # the latest, where several recipes were run
    summary = None if path is None else read_record(path / SUMMARY, RunSummary)
    if path is None or summary is None or reprocess == "all":
        return None
    if reprocess == "failed" and not summary.verdict.passed:
        return None
    page = path / Path(summary.places["report"]).name  # artifacts may have moved since
    return BackfillDay.of(summary).model_copy(update={"state": "skipped", "report": str(page)})
