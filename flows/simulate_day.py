"""The simulated platform delivers a day of logs, as a real one would every night."""

from datetime import date
from typing import Annotated

from prefect import flow, get_run_logger, task
from pydantic import Field

from mtmd.flows import parameters
from mtmd.flows.parameters import AsOf, Logs, PresetName, described, scheduled_day
from mtmd.jobs import simulation as simulation_job
from mtmd.jobs.simulation import Simulated

Days = Annotated[
    int,
    Field(
        ge=1,
        le=400,
        description="Days up to as_of, those that are there are skipped; one window when omitted",
    ),
]
Seed = Annotated[
    int,
    Field(ge=0, description="Which of all possible platforms; the one whose logs are there when omitted"),
]


@flow(name="simulate-day", flow_run_name=parameters.of_day, persist_result=False)
@described
def simulate_day(
    as_of: AsOf | None = None,
    days: Days | None = None,
    preset: PresetName = "demo",
    logs: Logs | None = None,
    seed: Seed | None = None,
) -> Simulated:
    """Write the logs of a day, and of the window before it where they are missing."""
    return write(as_of or scheduled_day(), days, preset, logs, seed)


@task(persist_result=False)
def write(until: date, days: int | None, preset: str, logs: str | None, seed: int | None) -> Simulated:
    """Draw and write what is not there yet."""
    done = simulation_job.simulate_days(until, preset, days=days, logs=logs, seed=seed)
    get_run_logger().info("%s", done.words)
    return done
