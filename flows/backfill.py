"""Retrain a range of past days, oldest first, each as a run of the daily flow."""

from datetime import date, timedelta
from typing import Annotated

from prefect import flow, get_run_logger
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State
from pydantic import Field

from flows.daily_retrain import daily_retrain
from flows.parameters import Artifacts, Logs, PresetName, WindowDays
from mtmd.errors import ConfigError
from mtmd.stages import RunSummary


@flow(name="backfill", validate_parameters=True, persist_result=False)
def backfill(
    first: Annotated[date, Field(description="Oldest as_of")],
    last: Annotated[date, Field(description="Newest as_of")],
    window_days: WindowDays | None = None,
    preset: PresetName = "demo",
    promote: Annotated[
        bool, Field(description="Whether candidates may go live; never over a newer champion")
    ] = False,
    logs: Logs | None = None,
    artifacts: Artifacts = "artifacts",
) -> list[dict[str, str]]:
    """Run every day even when one fails, without ablations; ends failed, naming the days, when any did."""
    if last < first:
        raise ConfigError(f"last ({last}) must not be before first ({first}); swap them")
    days = [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
    rows = []
    for day in days:
        state: State[RunSummary] = daily_retrain.with_options(flow_run_name=f"daily-retrain {day}")(
            day, window_days, preset, promote, logs, artifacts, ablations=False, return_state=True
        )
        rows.append(_row(day, state))
        get_run_logger().info("%s: %s", day, rows[-1]["verdict"])
        create_table_artifact(table=rows, key="backfill", description=f"{first} to {last}, promote {promote}")
    if failed := [row["as_of"] for row in rows if row["state"] != "Completed"]:
        raise RuntimeError(
            f"{len(failed)} of {len(days)} days did not complete: {', '.join(failed)}; see their runs"
        )
    return rows


def _row(day: date, state: State[RunSummary]) -> dict[str, str]:
    if not state.is_completed():
        return {"as_of": str(day), "state": state.name or "", "model": "", "verdict": state.message or ""}
    summary = state.result()
    return {"as_of": str(day), "state": "Completed", "model": summary.model_id, "verdict": summary.words}
