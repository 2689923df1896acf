"""Names of flow runs: a list of runs says which flow each is of, and which day each is about.

Prefect names a run when it starts, so scheduled runs that have not started have a name of Prefect's own.
"""

from datetime import UTC, datetime

from prefect import runtime

from mtmd.flows.parameters import scheduled_day


def of_day() -> str:
    """`daily-retrain 2026-01-26`: the run's as_of, given or derived from the scheduled start."""
    return f"{runtime.flow_run.flow_name} {runtime.flow_run.parameters.get('as_of') or scheduled_day()}"


def of_days() -> str:
    """`backfill 2026-01-23 to 2026-01-25`."""
    given = runtime.flow_run.parameters
    return f"{runtime.flow_run.flow_name} {given['first']} to {given['last']}"


def of_start() -> str:
    """`rollback, run on 2026-01-26`: a flow that is about no day of logs; the day is UTC's."""
    scheduled = runtime.flow_run.scheduled_start_time or datetime.now(UTC)
    return f"{runtime.flow_run.flow_name}, run on {scheduled.astimezone(UTC).date()}"
