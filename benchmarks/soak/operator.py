"""Starts deployments as their schedule would, waits for them through outages, and reads what they published."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun
from prefect.deployments import run_deployment
from prefect.settings import PREFECT_API_URL, temporary_settings

from deploy.local import Platform, family_of, up
from mtmd.errors import MtmdError

PATIENCE_S = 600.0
_HOURS = {
    "simulate-day/simulate-day": (2, 30),
    "monitor/monitor": (3, 0),
    "daily-retrain/daily-retrain": (3, 15),
}


class SoakError(MtmdError):
    """Something of the soak did not come to its end."""


@dataclass(frozen=True)
class Ended:
    """A run that is over: its state, and the artifacts that it left, key → description."""

    state: str
    message: str
    artifacts: dict[str, str]
    seconds: float

    @property
    def completed(self) -> bool:
        return self.state in ("Completed", "Breach")


@dataclass
class Operator:
    """Who is on call: everything goes through deployments, as it would on any day."""

    platform: Platform
    preset: str
    logs: Path

    def scheduled(self, deployment: str, day: date, **parameters: Any) -> Ended:
        """A run at the hour of its schedule after `day`; it finds out by itself which day that is."""
        return self.wait(self.start(deployment, slot(deployment, day), **parameters))

    def by_hand(self, deployment: str, **parameters: Any) -> Ended:
        """A run that a person starts."""
        return self.wait(self.start(deployment, None, **parameters))

    def start(self, deployment: str, at: datetime | None, **parameters: Any) -> FlowRun:
        places = {"preset": self.preset, "logs": str(self.logs), "artifacts": str(self.platform.artifacts)}
        if deployment.startswith("simulate-day/"):
            del places["artifacts"]
        with temporary_settings({PREFECT_API_URL: self.platform.api}):
            run = run_deployment(
                deployment, parameters=places | parameters, scheduled_time=at, timeout=0, as_subflow=False
            )
        assert isinstance(run, FlowRun)
        return run

    def wait(self, started: FlowRun) -> Ended:
        """Until the run is over, the server's absences included; raises SoakError when that takes too long."""
        begun, deadline = time.monotonic(), time.monotonic() + PATIENCE_S
        while True:
            run = self._read(started.id)
            if run is not None and run.state is not None and run.state.is_final():
                break
            if time.monotonic() > deadline:
                raise SoakError(f"run {started.name} ({started.id}) is not over after {PATIENCE_S:.0f} s")
            time.sleep(0.5)
        return Ended(
            state=run.state.name or run.state.type.value,
            message=run.state.message or "",
            artifacts=self._artifacts(run.id),
            seconds=time.monotonic() - begun,
        )

    def until(self, reached: Callable[[], bool], what: str) -> None:
        """Look often; raises SoakError when it does not come."""
        deadline = time.monotonic() + PATIENCE_S
        while not reached():
            if time.monotonic() > deadline:
                raise SoakError(f"{what} did not come within {PATIENCE_S:.0f} s")
            time.sleep(0.01)

    def over(self, started: FlowRun) -> bool:
        run = self._read(started.id)
        return run is not None and run.state is not None and run.state.is_final()

    def kill(self, name: str) -> None:
        """Kill -9 a process of the platform with everything that it started, as if the machine died; until it is gone.

        A flow run is a session of its own, which the death of its worker alone does not end.
        """
        family = family_of(self.platform, name)
        if not family:
            raise SoakError(f"the {name} does not run, so it can't be killed")
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.until(lambda: not family_of(self.platform, name), f"the end of the {name}")

    def restart(self) -> None:
        """What the runbook says: `make up`. Deployments stay paused."""
        up(self.platform, schedules=False)

    def unfinished(self) -> list[str]:
        """Names of runs that the server does not hold for ended, those of future nights left out."""
        due = FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(not_any_=[*TERMINAL_STATES])),
            expected_start_time=FlowRunFilterExpectedStartTime(before_=datetime.now(UTC)),
        )
        with self._client() as client:
            return [str(run.name) for run in client.read_flow_runs(flow_run_filter=due)]

    @contextmanager
    def _client(self) -> Iterator[SyncPrefectClient]:
        with temporary_settings({PREFECT_API_URL: self.platform.api}), get_client(sync_client=True) as client:
            yield client

    def _read(self, run: UUID) -> FlowRun | None:
        """None while the server is away."""
        try:
            with self._client() as client:
                return client.read_flow_run(run)
        except httpx.TransportError:
            return None

    def _artifacts(self, run: UUID) -> dict[str, str]:
        only = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run]))
        with self._client() as client:
            found = client.read_artifacts(artifact_filter=only)
        return {one.key: one.description or "" for one in found if one.key}


def slot(deployment: str, day: date) -> datetime:
    """When the schedule would start the run that is about `day`."""
    hour, minute = _HOURS[deployment]
    after = day + timedelta(days=1)
    return datetime(after.year, after.month, after.day, hour, minute, tzinfo=UTC)
