"""What a list of runs shows of each."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from prefect import flow, runtime
from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow
from prefect.states import Scheduled

from mtmd.flows import parameters


def _name(named: Callable[[], str], **parameters: Any) -> str:
    """Of a run that was scheduled for 03:15 of 2026-01-22 and starts late."""

    @flow(name="look", flow_run_name=named, persist_result=False)
    def look(as_of: date | None = None) -> str:
        return str(runtime.flow_run.name)

    scheduled = datetime(2026, 1, 22, 3, 15, tzinfo=UTC)
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(look, parameters=parameters, state=Scheduled(scheduled_time=scheduled))
        name = run_flow(look, flow_run=run, parameters=parameters)
        assert client.read_flow_run(run.id).name == name
    return str(name)


def test_a_run_about_a_day_has_it_in_its_name_given_or_not(prefect_server: str) -> None:
    """A late run is about the day before its scheduled start."""
    assert _name(parameters.of_day, as_of=date(2026, 1, 5)) == "look 2026-01-05"
    assert _name(parameters.of_day) == "look 2026-01-21"
