"""Retrain a range of past days, each as a run of the daily flow."""

from datetime import date
from typing import Annotated, Any

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from pydantic import Field

from mtmd.flows import prefect_artifacts, steps
from mtmd.flows.daily_retrain import daily_retrain
from mtmd.flows.parameters import Artifacts, Logs, PresetName, WindowDays, a_day, described
from mtmd.jobs.backfill import BackfillPlan, DayOutcome, Reprocess
from mtmd.promote.findings import RunSummary


@flow(name="backfill", flow_run_name="backfill {first} to {last}", persist_result=False)
@described
def backfill(
    first: Annotated[date, a_day("Oldest as_of")],
    last: Annotated[date, a_day("Newest as_of, not before first")],
    window_days: WindowDays | None = None,
    preset: PresetName = "demo",
    promote: Annotated[
        bool, Field(description="Whether candidates may go live; never over a newer champion")
    ] = False,
    logs: Logs | None = None,
    artifacts: Artifacts = "artifacts",
    reprocess: Annotated[
        Reprocess,
        Field(description="none: days never decided; failed: also days whose suites or gates failed; all"),
    ] = "none",
    newest_first: Annotated[bool, Field(description="Run the newest day first")] = False,
    dry_run: Annotated[bool, Field(description="Only publish what is blocked and what would run")] = False,
) -> list[DayOutcome]:
    """Run every day even when one fails, without ablations; ends failed, naming the days, when any did or is blocked.

    Started again after a crash it goes on: days that were decided are skipped, the others reuse what is complete.
    """
    given: dict[str, Any] = {
        "preset": preset,
        "window_days": window_days,
        "logs": logs,
        "artifacts": artifacts,
    }
    plan = steps.plan_backfill(first, last, reprocess=reprocess, newest_first=newest_first, **given)
    prefect_artifacts.backfill_plan(plan)
    if dry_run:
        return []
    outcomes = _without_running(plan, preset, artifacts)
    if not plan.running:
        _publish(plan, outcomes, preset, artifacts)
    for day in plan.running:
        outcomes.append(outcome := _retrained(day, given | {"promote": promote}))
        get_run_logger().info("%s: %s", outcome.as_of, outcome.words)
        _publish(plan, outcomes, preset, artifacts)
    _require_completed(plan, outcomes)
    return outcomes


def _without_running(plan: BackfillPlan, preset: str, artifacts: str) -> list[DayOutcome]:
    """Of the days that do not run: what they ended with before, or why they can't."""
    skipped = [steps.latest_outcome(preset, artifacts, day) for day in plan.skipped]
    left_out = [DayOutcome(as_of=day.as_of, state="left out", words=day.note) for day in plan.of("left out")]
    blocked = [DayOutcome(as_of=day.as_of, state="blocked", words=day.note) for day in plan.of("blocked")]
    return [*skipped, *left_out, *blocked]


def _publish(plan: BackfillPlan, outcomes: list[DayOutcome], preset: str, artifacts: str) -> None:
    """The artifact and the index, with what is known so far."""
    prefect_artifacts.backfill(plan, outcomes, artifacts)
    steps.update_index(artifacts, preset)


def _require_completed(plan: BackfillPlan, outcomes: list[DayOutcome]) -> None:
    """Raises RuntimeError, which names the days, where some failed or were blocked."""
    if failed := [outcome for outcome in outcomes if outcome.state in {"failed", "blocked"}]:
        days = ", ".join(f"{outcome.as_of} ({outcome.state})" for outcome in failed)
        raise RuntimeError(
            f"{len(failed)} of {len(plan.days)} days did not complete: {days}; see the artifact backfill, then run the "
            "same backfill again: days that were decided are skipped"
        )


def _retrained(day: date, given: dict[str, Any]) -> DayOutcome:
    state: State[RunSummary] = daily_retrain(as_of=day, ablations=False, **given, return_state=True)
    if not state.is_completed():
        return DayOutcome(as_of=day, state="failed", words=state.message or str(state.name))
    return DayOutcome.of(state.result())
