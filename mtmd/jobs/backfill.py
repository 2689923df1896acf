"""What a backfill would do, day by day, and what came of it; nothing runs here.

A day's outcome is what is durable of it: a summary of a run that decided, or a validation that failed. A run
that was killed leaves neither, so its day is run again under every policy: a backfill resumes by being started again.
"""

from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Literal, Self

from pydantic import Field

from mtmd.config import Frozen, load_preset
from mtmd.errors import ConfigError, LogsError
from mtmd.evaluate.report import EVERYTHING
from mtmd.logs.source import LogSource
from mtmd.promote.findings import RunSummary
from mtmd.registry.records import SUMMARY, run_paths
from mtmd.registry.registry import Registry
from mtmd.run import plan_run
from mtmd.store.workspace import Workspace, read_record
from mtmd.validate.stage import DataQuality

Reprocess = Literal["none", "failed", "all"]
Status = Literal["new", "failed", "done", "left out", "blocked"]
_RERUN: dict[Reprocess, tuple[Status, ...]] = {
    "none": ("new",),
    "failed": ("new", "failed"),
    "all": ("new", "failed", "done"),
}


class PlannedDay(Frozen):
    """One day of a backfill, before it runs."""

    as_of: date
    status: Status = Field(
        description="left out: by the preset, it never runs; blocked: it would run, and its logs are not there"
    )
    runs: bool = Field(description="whether the policy runs it")
    note: str = Field("", description="why it can't run, or why it is left out")


class BackfillPlan(Frozen):
    """The days of a backfill, in the order in which they run."""

    first: date
    last: date
    reprocess: Reprocess
    days: tuple[PlannedDay, ...]

    @property
    def running(self) -> tuple[date, ...]:
        return tuple(day.as_of for day in self.days if day.runs)

    @property
    def skipped(self) -> tuple[date, ...]:
        """Days with an outcome already."""
        return tuple(day.as_of for day in self.days if not day.runs and day.status in {"failed", "done"})

    def of(self, status: Status) -> tuple[PlannedDay, ...]:
        return tuple(day for day in self.days if day.status == status)


class DayOutcome(Frozen):
    """One day of a backfill, afterwards."""

    as_of: date
    state: Literal["completed", "failed", "skipped", "left out", "blocked"]
    words: str
    model_id: str | None = None
    logmae: dict[str, float | None] = Field({}, description="of the candidate, by task over its slices")
    gain: float | None = Field(None, description="LogMAE improvement over the per-slice baselines, all tasks")
    report: str | None = Field(None, description="path of the run's page")

    @classmethod
    def of(cls, summary: RunSummary, state: Literal["completed", "skipped"] = "completed") -> Self:
        """From what a run ended with."""
        report = summary.report
        has_baseline = "per_slice" in report.predictors
        return cls(
            as_of=summary.as_of,
            state=state,
            words=summary.words,
            model_id=summary.model_id,
            logmae={at.task: report.get(report.candidate, at).logmae for at in report.aggregates},
            gain=report.compared("per_slice", EVERYTHING).improvement if has_baseline else None,
            report=summary.places["report"],
        )


def plan_backfill(
    first: date,
    last: date,
    preset: str,
    *,
    reprocess: Reprocess = "none",
    newest_first: bool = False,
    window_days: int | None = None,
    logs: str | None = None,
    artifacts: str = "artifacts",
) -> BackfillPlan:
    """Look at every day of first..last: was it decided, does the policy run it, and can it run.

    Raises ConfigError for a range that runs backwards.
    """
    if last < first:
        raise ConfigError(f"last ({last}) must not be before first ({first}); swap them")
    chosen = load_preset(preset)
    workspace = Workspace.of(artifacts, chosen)
    Registry(workspace.root).refresh()
    available = cache(LogSource.of(chosen, logs, workspace.spool).available_days)  # listed once for all days

    def look(day: date) -> PlannedDay:
        if (why := chosen.left_out.get(day)) is not None:
            return PlannedDay(as_of=day, status="left out", runs=False, note=why)
        status = _status(workspace, day)
        if status not in _RERUN[reprocess]:
            return PlannedDay(as_of=day, status=status, runs=False)
        try:
            plan_run(
                day, preset, window_days=window_days, logs=logs, artifacts=artifacts, available=available
            )
        except LogsError as error:
            return PlannedDay(as_of=day, status="blocked", runs=False, note=str(error))
        return PlannedDay(as_of=day, status=status, runs=True)

    days = [look(first + timedelta(days=offset)) for offset in range((last - first).days + 1)]
    ordered = reversed(days) if newest_first else days
    return BackfillPlan(first=first, last=last, reprocess=reprocess, days=tuple(ordered))


def latest_outcome(workspace: Workspace, as_of: date) -> DayOutcome:
    """What a day that is not run again ended with; the latest where several recipes were run."""
    path = _decision(workspace, as_of)
    if path is None or _suites_failed(workspace, as_of):
        return DayOutcome(as_of=as_of, state="skipped", words="its data suites failed in an earlier run")
    summary = read_record(path, RunSummary)
    if summary is None:
        return DayOutcome(as_of=as_of, state="skipped", words=f"decided by another version: {path}")
    page = path.with_name(Path(summary.places["report"]).name)  # artifacts may have moved since
    return DayOutcome.of(summary, "skipped").model_copy(update={"report": str(page)})


def _status(workspace: Workspace, as_of: date) -> Status:
    """What the suites of the day's latest run, or else its latest decision, say."""
    if _suites_failed(workspace, as_of):
        return "failed"
    if (path := _decision(workspace, as_of)) is None:
        return "new"
    summary = read_record(path, RunSummary)
    return "done" if summary is None or summary.verdict.passed else "failed"


def _suites_failed(workspace: Workspace, as_of: date) -> bool:
    """Whether the suites of the day's latest run stopped it; an earlier run may have promoted a model of the day."""
    validation = read_record(workspace.latest_validation(as_of), DataQuality)
    return validation is not None and not validation.passed


def _decision(workspace: Workspace, as_of: date) -> Path | None:
    """The latest decision about a day."""
    return next((path / SUMMARY for path in run_paths(workspace, as_of)), None)
