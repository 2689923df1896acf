"""What a backfill would do, day by day, and what came of it; nothing runs here.

A day's outcome is what is durable of it: a summary of a run that decided, or a validation that failed. A run
that was killed leaves neither, so its day is run again under every policy: a backfill resumes by being started again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from statistics import median
from typing import Literal, Self, get_args

from pydantic import Field

from mtmd.config import Frozen, load_preset
from mtmd.errors import ConfigError, LogsError
from mtmd.evaluate.report import EVERYTHING
from mtmd.extract.stage import shard_fingerprint
from mtmd.extract.window import days_fingerprint
from mtmd.logs.source import LogSource
from mtmd.model.build import ModelKind
from mtmd.promote.stage import RunSummary
from mtmd.registry.records import origin, run_paths
from mtmd.registry.registry import Registry
from mtmd.run import RunPlan, plan_run
from mtmd.store.outputs import read_record
from mtmd.store.workspace import Workspace
from mtmd.train.rivals import compared, earlier
from mtmd.train.stage import choose_start, training_key
from mtmd.validate.results import DayValidation
from mtmd.validate.stage import DataQuality, Sources, all_sources, stored_pass

Reprocess = Literal["none", "failed", "all"]
Status = Literal["new", "failed", "outdated", "done", "left out", "blocked"]
_RERUN: dict[Reprocess, tuple[Status, ...]] = {
    "none": ("new",),
    "failed": ("new", "failed"),
    "all": ("new", "failed", "outdated", "done"),
}
_LAST = 5  # runs that an estimate is made from
_KINDS: tuple[ModelKind, ...] = get_args(ModelKind)


class PlannedDay(Frozen):
    """One day of a backfill, before it runs."""

    as_of: date
    status: Status = Field(
        description="outdated: done, but with other logs, preset or code; left out: by the preset, it never runs; "
        "blocked: it would run, and can't"
    )
    runs: bool = Field(description="whether the policy runs it")
    validate_days: int = Field(0, description="days whose suites the run would run")
    extract_days: int = Field(0, description="days that have no shard yet")
    train: tuple[str, ...] = Field((), description="models that are not trained yet")
    seconds: float | None = Field(None, description="of training, as a share of what the last runs took")
    note: str = Field("", description="why it can't run, or why it is left out")


class BackfillPlan(Frozen):
    """The days of a backfill, in the order in which they run."""

    first: date
    last: date
    reprocess: Reprocess
    days: tuple[PlannedDay, ...]
    run_seconds: float | None = Field(
        None,
        description="of training in a run of the line, the median of the last ones; None where none says it",
    )

    @property
    def running(self) -> tuple[date, ...]:
        return tuple(day.as_of for day in self.days if day.runs)

    @property
    def skipped(self) -> tuple[date, ...]:
        """Days with an outcome already."""
        return tuple(
            day.as_of for day in self.days if not day.runs and day.status not in {"left out", "blocked"}
        )

    @property
    def blocked(self) -> tuple[PlannedDay, ...]:
        """Days that the policy runs, and that can't run."""
        return tuple(day for day in self.days if day.status == "blocked")

    @property
    def left_out(self) -> tuple[PlannedDay, ...]:
        return tuple(day for day in self.days if day.status == "left out")

    @property
    def seconds(self) -> float | None:
        """Of training, of all days that run; None where a day's is not known."""
        costs = [day.seconds for day in self.days if day.runs]
        known = [cost for cost in costs if cost is not None]
        return sum(known) if len(known) == len(costs) else None


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
        return cls(
            as_of=summary.as_of,
            state=state,
            words=summary.words,
            model_id=summary.model_id,
            logmae={at.task: report.get(report.candidate, at).logmae for at in report.aggregates},
            gain=report.compared("per_slice", EVERYTHING).improvement
            if "per_slice" in report.predictors
            else None,
            report=summary.places["report"],
        )


@dataclass(frozen=True)
class _Seen:
    """What was read for the days so far: their windows overlap."""

    sources: dict[date, Sources] = field(default_factory=dict)
    validations: dict[Path, DayValidation | None] = field(default_factory=dict)

    def validation(self, place: Path) -> DayValidation | None:
        """What is stored of a day's validation, on this disk."""
        if place not in self.validations:
            self.validations[place] = read_record(place, DayValidation) if place.is_file() else None
        return self.validations[place]


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
    """Look at every day of first..last: was it done, does the policy run it, and what would that cost.

    Days whose logs are not there are blocked. Raises ConfigError for a range that runs backwards.
    """
    if last < first:
        raise ConfigError(f"last ({last}) must not be before first ({first}); swap them")
    seen = _Seen()
    chosen = load_preset(preset)
    left_out, workspace = chosen.left_out, Workspace.of(artifacts, chosen)
    Registry(workspace.root).refresh()
    run_seconds = _training_seconds(workspace)
    available = cache(LogSource.of(chosen, logs, workspace.spool).available_days)  # listed once for all days
    days = []
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        if day in left_out:
            days.append(PlannedDay(as_of=day, status="left out", runs=False, note=left_out[day]))
            continue
        try:
            plan = plan_run(
                day, preset, window_days=window_days, logs=logs, artifacts=artifacts, available=available
            )
            days.append(_look(plan, reprocess, run_seconds, seen))
        except LogsError as error:
            recorded = _recorded(workspace, day)
            status: Status = "blocked" if recorded in _RERUN[reprocess] else recorded
            days.append(PlannedDay(as_of=day, status=status, runs=False, note=str(error)))
    ordered = reversed(days) if newest_first else days
    return BackfillPlan(
        first=first, last=last, reprocess=reprocess, days=tuple(ordered), run_seconds=run_seconds
    )


def latest_outcome(workspace: Workspace, as_of: date) -> DayOutcome:
    """What a day that is not run again ended with; the latest where several recipes were run."""
    summaries = _summaries(workspace, as_of)
    if not summaries or _failed(workspace, as_of):
        return DayOutcome(as_of=as_of, state="skipped", words="its data suites failed in an earlier run")
    summary = read_record(summaries[-1], RunSummary)
    if summary is None:
        return DayOutcome(as_of=as_of, state="skipped", words=f"decided by another version: {summaries[-1]}")
    page = summaries[-1].with_name(Path(summary.places["report"]).name)  # artifacts may have moved since
    return DayOutcome.of(summary, "skipped").model_copy(update={"report": str(page)})


def _look(plan: RunPlan, reprocess: Reprocess, run_seconds: float | None, seen: _Seen) -> PlannedDay:
    """What is there of a day, by the names that its files give its outputs."""
    workspace, preset, known = plan.workspace, plan.preset, seen.sources
    all_sources(plan, known)
    shards = {day: shard_fingerprint(plan.source, known[day], preset.declarations) for day in plan.all_days}
    training = {day: shards[day] for day in plan.days}
    window = days_fingerprint(training)
    start = choose_start(plan, training).start
    trained = {
        kind: training_key(kind, window, preset, start if kind == "mtmd" else None)
        for kind in compared(plan, _KINDS)
    }
    untrained = [
        kind
        for kind, key in trained.items()
        if not workspace.trained(kind, key).is_dir() and earlier(plan, kind, training) is None
    ]
    places = {
        day: workspace.shards / f"date={day.isoformat()}" / fingerprint[:16]
        for day, fingerprint in shards.items()
    }
    status = _status(plan, trained["mtmd"])
    return PlannedDay(
        as_of=plan.as_of,
        status=status,
        runs=status in _RERUN[reprocess],
        validate_days=_unvalidated(plan, seen),
        extract_days=sum(not place.is_dir() for place in places.values()),
        train=tuple(untrained),
        seconds=_share_of(run_seconds, len(untrained) / len(trained)),
    )


def _training_seconds(workspace: Workspace) -> float | None:
    """Of training in a run: the median of the last runs that say it."""
    origins = (origin(path) for path in run_paths(workspace)[:_LAST])
    took = [made.training_seconds for made in origins if made is not None and made.training_seconds > 0]
    return median(took) if took else None


def _share_of(run_seconds: float | None, share: float) -> float | None:
    """Of training a share of a run's models; nothing takes no time, however long a run is."""
    if not share:
        return 0.0
    return None if run_seconds is None else run_seconds * share


def _unvalidated(plan: RunPlan, seen: _Seen) -> int:
    """Days whose suites a run would run; one that is not stored counts as an earlier day of those after it."""
    limits = plan.preset.data
    missing = earlier = 0
    for day in plan.all_days:
        stored = stored_pass(plan, day, seen.sources[day], earlier, seen.validation)
        missing += stored is None
        earlier += stored is None or stored.profile.candidates >= limits.min_trailing_rows
    return missing


def _status(plan: RunPlan, trained: str) -> Status:
    """By the records of the model that the day would train now, or else by those of another one.

    A day that was kept by its gates has failed whatever has changed since: what was mended may be why it is run again.
    """
    decided = _decided(plan.workspace, plan.as_of, _summaries(plan.workspace, plan.as_of, trained))
    if decided is not None:
        return decided
    recorded = _recorded(plan.workspace, plan.as_of)
    return "outdated" if recorded == "done" else recorded


def _recorded(workspace: Workspace, as_of: date) -> Status:
    """Of a day whose logs can't be read: by its latest record, whatever model that is of."""
    found = _summaries(workspace, as_of)
    return _decided(workspace, as_of, found) or ("done" if found else "new")


def _decided(workspace: Workspace, as_of: date, summaries: Sequence[Path]) -> Status | None:
    """What the latest of these decisions, or the suites of the day's latest run, say; None where there is neither."""
    if _failed(workspace, as_of):
        return "failed"
    latest = read_record(summaries[-1], RunSummary) if summaries else None
    if latest is None:
        return None
    return "done" if latest.verdict.passed else "failed"


def _failed(workspace: Workspace, as_of: date) -> bool:
    """Whether the suites of the day's latest run stopped it; an earlier run may have promoted a model of the day."""
    validation = read_record(workspace.latest_validation(as_of), DataQuality)
    return validation is not None and not validation.passed


def _summaries(workspace: Workspace, as_of: date, trained: str | None = None) -> list[Path]:
    """Decisions about a day, or about one model of it; the latest is the last."""
    name = f"{as_of.isoformat()}-*" if trained is None else workspace.run(as_of, trained, "*").name
    paths = (workspace.root / "runs").glob(f"{name}/summary.json")
    return sorted(paths, key=lambda path: (path.stat().st_mtime_ns, path.parent.name))
