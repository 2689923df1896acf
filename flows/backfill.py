"""Retrain a range of past days, each as a run of the daily flow."""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor
from datetime import date
from functools import cache
from threading import Thread
from typing import Annotated, Any

from prefect import flow, get_run_logger, task
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner
from pydantic import Field

from mtmd.errors import ConfigError
from mtmd.flows import index, parameters, prefect_artifacts, runners, steps
from mtmd.flows.daily_retrain import daily_retrain
from mtmd.flows.parameters import Artifacts, Logs, PresetName, WindowDays, a_day, described
from mtmd.jobs.backfill import BackfillPlan, DayOutcome, Reprocess
from mtmd.promote.stage import RunSummary


@flow(name="backfill", flow_run_name=parameters.of_days, persist_result=False)
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
    at_once: Annotated[
        int,
        Field(ge=1, le=8, description="Days at once, each in a process of its own when more than 1"),
    ] = 1,
    dry_run: Annotated[
        bool, Field(description="Only publish what is blocked, what would run, and what that would cost")
    ] = False,
) -> list[DayOutcome]:
    """Run every day even when one fails, without ablations; ends failed, naming the days, when any did or is blocked.

    Started again after a crash it goes on: days that were decided are skipped, the others reuse what is complete.
    """
    if promote and at_once > 1:
        raise ConfigError(f"at_once ({at_once}) must be 1 with promote: days go live one after the other")
    shared: dict[str, Any] = {
        "preset": preset,
        "window_days": window_days,
        "logs": logs,
        "artifacts": artifacts,
    }
    plan = steps.plan_backfill(first, last, reprocess=reprocess, newest_first=newest_first, **shared)
    get_run_logger().info(
        "%d of %d days run, %d blocked", len(plan.running), len(plan.days), len(plan.blocked)
    )
    prefect_artifacts.backfill_plan(plan)
    if dry_run:
        return []
    outcomes = _without_running(plan, preset, artifacts)
    for outcome in _run(plan, shared | {"promote": promote}, at_once):
        outcomes.append(outcome)
        get_run_logger().info("%s: %s", outcome.as_of, outcome.words)
        _publish(plan, outcomes, preset, artifacts)
    if not plan.running:
        _publish(plan, outcomes, preset, artifacts)
    _require_completed(plan, outcomes)
    return outcomes


def _without_running(plan: BackfillPlan, preset: str, artifacts: str) -> list[DayOutcome]:
    """Of the days that do not run: what they ended with before, or why they can't."""
    skipped = [steps.latest_outcome(preset, artifacts, day) for day in plan.skipped]
    left_out = [DayOutcome(as_of=day.as_of, state="left out", words=day.note) for day in plan.left_out]
    blocked = [DayOutcome(as_of=day.as_of, state="blocked", words=day.note) for day in plan.blocked]
    return [*skipped, *left_out, *blocked]


def _publish(plan: BackfillPlan, outcomes: list[DayOutcome], preset: str, artifacts: str) -> None:
    """The artifact and the index, with what is known so far."""
    prefect_artifacts.backfill(plan, outcomes, artifacts)
    index.update(artifacts, preset)


def _require_completed(plan: BackfillPlan, outcomes: list[DayOutcome]) -> None:
    """Raises RuntimeError, which names the days, where some failed or were blocked."""
    if failed := [outcome for outcome in outcomes if outcome.state in {"failed", "blocked"}]:
        days = ", ".join(f"{outcome.as_of} ({outcome.state})" for outcome in failed)
        raise RuntimeError(
            f"{len(failed)} of {len(plan.days)} days did not complete: {days}; see the artifact backfill, then run the "
            "same backfill again: days that were decided are skipped"
        )


def _run(plan: BackfillPlan, given: dict[str, Any], at_once: int) -> Iterator[DayOutcome]:
    """The outcomes of the days that run, in the plan's order; after them those of days that were run again.

    If a process is killed, such as for its memory, Python ends those of all days beside it and starts no other, and
    nothing says whose it was. So each day without an outcome is run again, with the machine to itself.
    """
    if at_once == 1:
        for day in plan.running:
            yield _retrained(day, given)
        return
    ended: list[date] = []
    with runners.of_runs(at_once) as runner:
        for day, future in _submitted(runner, plan.running, given):
            try:
                yield future.result()
            except BrokenExecutor:
                ended.append(day)
            except Exception as error:  # noqa: BLE001 - whatever ended the day's process; the others go on
                yield _ended(day, error)
    for day in ended:
        get_run_logger().warning("%s: a process was killed; the day is run again, alone", day)
        with runners.of_runs(1) as runner:
            ((_, future),) = _submitted(runner, [day], given)
            try:
                yield future.result()
            except Exception as error:  # noqa: BLE001 - likewise
                yield _ended(day, error)


def _submitted(
    runner: TaskRunner[Any], days: Sequence[date], given: dict[str, Any]
) -> list[tuple[date, PrefectFuture[DayOutcome]]]:
    return [(day, runner.submit(retrain_day, {"day": day, "given": given})) for day in days]


def _ended(day: date, error: Exception) -> DayOutcome:
    return DayOutcome(as_of=day, state="failed", words=f"its process ended: {error}")


@task(persist_result=False, task_run_name="process of {day}")
def retrain_day(day: date, given: dict[str, Any]) -> DayOutcome:
    """One day, in a process of its own."""
    end_with_parent()
    with runners.on_this_machine():
        return _retrained(day, given)


def _retrained(day: date, given: dict[str, Any]) -> DayOutcome:
    state: State[RunSummary] = daily_retrain(as_of=day, ablations=False, **given, return_state=True)
    if not state.is_completed():
        return DayOutcome(as_of=day, state="failed", words=state.message or str(state.name))
    return DayOutcome.of(state.result())


@cache  # once for each process
def end_with_parent() -> None:
    """Let this process of a pool end when the process that started the pool has ended, such as by the kernel.

    It would wait for its next task for ever, and keep its memory. Files are written whole, so none is left half.
    """
    if (parent := multiprocessing.parent_process()) is not None:

        def watch() -> None:
            parent.join()
            os._exit(1)

        Thread(target=watch, name="parent", daemon=True).start()
