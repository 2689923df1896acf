"""The platform of `make up`, for the tests: its command line and its API."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from mtmd.extras.platform.local import Platform, _running
from mtmd.registry.registry import Registry
from tests.flows.runs import LINE, ROOT, TINY, answered

_PATIENCE_S = 300.0


@dataclass(frozen=True)
class Deployed:
    """The platform of `make up`, with logs and artifacts of its own."""

    platform: Platform
    logs: Path

    def prefect(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(Path(sys.executable).with_name("prefect")), "--no-prompt", *arguments],
            cwd=ROOT,
            env=self.platform.environment,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )

    def run(self, deployment: str, **parameters: Any) -> "subprocess.CompletedProcess[str]":
        """Run a deployment on the tiny preset and wait for its end."""
        pairs = [f"{name}={json.dumps(value)}" for name, value in (self._places | parameters).items()]
        flags = [part for pair in pairs for part in ("--param", pair)]
        return self.prefect("deployment", "run", deployment, *flags, "--watch", "--watch-interval", "1")

    def start(self, flow: str, env: Mapping[str, str] | None = None, **parameters: Any) -> str:
        """Start the deployment of a flow's function likewise, and return the run's identity at once.

        `env` stands beside the deployment's own environment.
        """
        return self._create(flow, {"parameters": self._places | parameters}, env)

    def _create(self, flow: str, body: dict[str, Any], env: Mapping[str, str] | None = None) -> str:
        (found,) = (one for one in self.ask("/deployments/filter") if one["entrypoint"].endswith(f":{flow}"))
        if env:
            body["job_variables"] = {"env": {**found["job_variables"]["env"], **env}}
        return str(self.ask(f"/deployments/{found['id']}/create_flow_run", **body)["id"])

    def scheduled(self, flow: str, at: datetime, **parameters: Any) -> dict[str, Any]:
        """Run a deployment as its schedule would have at this time, and return the run when it has ended."""
        places = self._places if flow != "simulate_day" else {"preset": TINY, "logs": str(self.logs)}
        state = {"type": "SCHEDULED", "state_details": {"scheduled_time": at.isoformat()}}
        run = self._create(flow, {"parameters": places | parameters, "state": state})
        (ended,) = self.ended([run])
        return ended

    def ended(self, runs: Sequence[str]) -> list[dict[str, Any]]:
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            found = {
                run["id"]: run for run in self.ask("/flow_runs/filter", flow_runs={"id": {"any_": [*runs]}})
            }
            if all(found[one]["state_type"] == "COMPLETED" for one in runs):
                return [found[one] for one in runs]
            assert time.monotonic() < deadline, {one: found[one]["state"] for one in runs}
            time.sleep(0.5)

    @property
    def _places(self) -> dict[str, str]:
        return {"preset": TINY, "logs": str(self.logs), "artifacts": str(self.platform.artifacts)}

    def ask(self, path: str, **body: Any) -> Any:
        request = urllib.request.Request(
            f"{self.platform.api}{path}", json.dumps(body).encode(), {"content-type": "application/json"}
        )
        return answered(request)

    @property
    def registry(self) -> Registry:
        return Registry(self.platform.artifacts / LINE)


def family_of(platform: Platform, name: str) -> list[int]:
    """The process that `up` started as `name` (server, worker, reports) and what that started; empty when it ended."""
    process = _running(platform, name)
    return [] if process is None else [process.pid, *(one.pid for one in process.children(recursive=True))]
