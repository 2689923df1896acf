"""Runs of the flows on the tiny platform, and what they left behind."""

import json
import shutil
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import State
from prefect.client.schemas.sorting import ArtifactSort, LogSort
from prefect.states import Completed

from mtmd.flows.daily_retrain import daily_retrain
from mtmd.promote.findings import RunSummary
from mtmd.registry.registry import Registry

ROOT = Path(__file__).parents[2]
TINY = "tiny"
AS_OF = date(2026, 1, 21)  # the first day with a 20-day window before it
NEXT = AS_OF + timedelta(days=1)
LINE = "tiny"  # the preset's name: its directory in the artifacts
_PATIENCE_S = 600.0


@dataclass(frozen=True)
class Run:
    id: UUID
    state: State[RunSummary]
    logs: Path
    artifacts: Path

    @property
    def summary(self) -> RunSummary:
        summary = self.state.result()
        assert isinstance(summary, RunSummary)
        return summary

    @cached_property
    def published(self) -> dict[str, str]:
        return published(self.id)

    def detached(self) -> "Run":
        """The same with all that is asked of the server, for processes that have another one; the run has completed."""
        run = Run(self.id, Completed(data=self.summary), self.logs, self.artifacts)
        run.__dict__["published"] = self.published
        return run

    @property
    def root(self) -> Path:
        return self.artifacts / LINE

    @property
    def registry(self) -> Registry:
        return Registry(self.root)


def run_daily(
    *,
    as_of: date,
    logs: Path,
    artifacts: Path,
    ablations: bool = False,
    preset: str = TINY,
    **parameters: Any,
) -> Run:
    """Run the flow in this process, by default without its four extra trainings; the run may have failed."""
    state = daily_retrain(
        as_of=as_of,
        preset=preset,
        logs=str(logs),
        artifacts=str(artifacts),
        ablations=ablations,
        return_state=True,
        **parameters,
    )
    identity = state.state_details.flow_run_id
    assert identity is not None
    return Run(identity, state, logs, artifacts)


def published(run: UUID) -> dict[str, str]:
    """The latest artifact of each key of a flow run, read back through the client: key → data."""
    only = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run]))
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=only, sort=ArtifactSort.CREATED_DESC)
    return {artifact.key: str(artifact.data) for artifact in reversed(found) if artifact.key}


def logged(run: UUID) -> str:
    """What a flow run and its tasks have said in the log; it travels on its own, so this waits for its end."""
    only = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run]))
    deadline = time.monotonic() + 60
    with get_client(sync_client=True) as client:
        while True:
            lines = [one.message for one in client.read_logs(only, sort=LogSort.TIMESTAMP_ASC)]
            if (
                any(line.startswith("Finished in state") for line in lines[-1:])
                or time.monotonic() > deadline
            ):
                return "\n".join(lines)
            time.sleep(0.2)


def told(server: str, event: str, run: UUID) -> list[dict[str, Any]]:
    """Events of this name that a flow run emitted; events travel on their own, so this waits for the first."""
    of_run = {"event": {"name": [event]}, "related": {"id": [f"prefect.flow-run.{run}"]}}
    only = json.dumps({"filter": of_run}).encode()
    request = urllib.request.Request(f"{server}/events/filter", only, {"content-type": "application/json"})
    deadline = time.monotonic() + 60
    while True:
        found: list[dict[str, Any]] = answered(request)["events"]
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


def answered(request: urllib.request.Request) -> Any:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            error.close()
            if error.code != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                raise
        time.sleep(0.5)  # SQLite was busy; Prefect's own client asks again, too


def copied(source: Path, target: Path, *, champion: bool = True) -> Path:
    """A copy of a run's artifacts, on request as if nothing had been promoted yet."""
    shutil.copytree(source, target)
    if not champion:
        (target / LINE / "champion.json").unlink()
        shutil.rmtree(target / LINE / "history")
    return target


def half_written(artifacts: Path) -> list[str]:
    """Temporary names, and checkpoints of trainings that are not finished."""
    names = [path for path in artifacts.rglob("*") if path.name.startswith(".tmp-")]
    work = [path for path in artifacts.glob("*/work/*") if path.is_dir()]
    return [str(path.relative_to(artifacts)) for path in (*names, *work)]
