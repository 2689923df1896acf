"""The simulated platform delivers a day of logs, as a real one would every night."""

from typing import Annotated

from prefect import flow
from pydantic import Field

from mtmd.flows import parameters, steps
from mtmd.flows.parameters import AsOf, Logs, PresetName, described, scheduled_day
from mtmd.jobs.simulation import Simulated, simulate_days

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
    return write(as_of or scheduled_day(), preset, days=days, logs=logs, seed=seed)


write = steps.task_of(simulate_days, lambda done: done.words, name="write")
