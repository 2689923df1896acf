"""Retrain a range of past days, each as a run of the daily flow."""

from datetime import date
from typing import Annotated, Any

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from pydantic import Field

from mtmd.errors import MtmdError
from mtmd.flows import steps
from mtmd.flows.daily_retrain import daily_retrain
from mtmd.flows.parameters import Artifacts, Logs, PresetName, WindowDays, a_day, described
from mtmd.flows.prefect_artifacts import publish
from mtmd.jobs.backfill import BackfillDay, Reprocess
from mtmd.promote.findings import RunSummary
from mtmd.report import jobs
from mtmd.report.tables import report_url

ALONE = "its run was cancelled alone, which stops nothing: `mtmd runs` says whether the day was decided"


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
    dry_run: Annotated[bool, Field(description="Only publish what is blocked and what would run")] = False,
) -> list[BackfillDay]:
    """Run every day even when one fails, without ablations; ends failed, naming the days, when any did or is blocked.

    Started again after a crash it goes on: days that were decided are skipped, the others reuse what is complete.
    """
    given: dict[str, Any] = {
        "preset": preset,
        "window_days": window_days,
        "logs": logs,
        "artifacts": artifacts,
    }
    days: list[BackfillDay] = steps.plan_backfill(first, last, reprocess=reprocess, **given)
    _publish(days, artifacts)
    if dry_run:
        return days
    get_run_logger().info("%s", jobs.TO_STOP)
    for place in [place for place, day in enumerate(days) if day.state == "to run"]:
        days[place] = _retrained(days[place].as_of, given | {"promote": promote})
        get_run_logger().info("%s: %s", days[place].as_of, days[place].words)
        _publish(days, artifacts)
        steps.update_index(artifacts, preset)
    _require_completed(days)
    return days


def _publish(days: list[BackfillDay], artifacts: str) -> None:
    """Day by day: what would run, what it ended with, and links to the days' pages where these are served."""
    urls = {day.as_of: report_url(artifacts, day.report) for day in days if day.report}
    document = jobs.backfill(days, {day: url for day, url in urls.items() if url})
    publish("backfill", document.title, document)


def _require_completed(days: list[BackfillDay]) -> None:
    """Raises MtmdError, which names the days, where some failed or were blocked."""
    if failed := [day for day in days if day.state in {"failed", "blocked"}]:
        named = ", ".join(f"{day.as_of} ({day.state})" for day in failed)
        raise MtmdError(
            f"{len(failed)} of {len(days)} days did not complete: {named}",
            "see the artifact backfill, then run the same backfill again, with reprocess='failed' for mended days",
        )


def _retrained(day: date, given: dict[str, Any]) -> BackfillDay:
    state: State[RunSummary] = daily_retrain(as_of=day, ablations=False, **given, return_state=True)
    if not state.is_completed():
        words = ALONE if state.is_cancelling() else state.message or str(state.name)
        return BackfillDay(as_of=day, state="failed", words=words)
    return BackfillDay.of(state.result())
