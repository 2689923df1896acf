"""The deployments of prefect.yaml on a real server with a real worker, from the command line."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mtmd.registry import Registry
from tests.flows.runs import AS_OF, LINE, NEXT, ROOT, TINY, Run, copied, half_written

_PREFECT = Path(sys.executable).with_name("prefect")
_PATIENCE_S = 300.0


@dataclass(frozen=True)
class Deployed:
    """A server with both deployments and a worker, and the artifacts that its runs write to."""

    environment: dict[str, str]
    logs: Path
    artifacts: Path

    def prefect(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return _prefect(self.environment, *arguments)

    def run(self, deployment: str, *options: str, **parameters: Any) -> "subprocess.CompletedProcess[str]":
        """Run a deployment on the tiny preset and wait for its end."""
        given = {"preset": TINY, "logs": str(self.logs), "artifacts": str(self.artifacts)} | parameters
        pairs = [f"{name}={json.dumps(value)}" for name, value in given.items()]
        flags = [part for pair in pairs for part in ("--param", pair)]
        return self.prefect(
            "deployment", "run", deployment, *flags, *options, "--watch", "--watch-interval", "1"
        )


def _prefect(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(_PREFECT), "--no-prompt", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )


@contextmanager
def _supervised(environment: dict[str, str], output: Path, *arguments: str) -> Iterator[None]:
    """A prefect process that runs while the context is open; its children end with it."""
    with output.open("wb") as file:
        process = subprocess.Popen(
            [str(_PREFECT), "--no-prompt", *arguments],
            cwd=ROOT,
            env=environment,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # whoever it started and left behind
        process.wait()


def _await_server(api: str, output: Path) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(f"{api}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            assert time.monotonic() < deadline, output.read_text()
            time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def deployed(next_day: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    directory = tmp_path_factory.mktemp("deployed")
    port = _free_port()
    own = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    own |= {
        "PREFECT_HOME": str(directory / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PROJECT_ROOT": str(ROOT),
    }
    client = own | {"PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
    server_output, worker_output = directory / "server.log", directory / "worker.log"
    with ExitStack() as stack:
        server = ("server", "start", "--host", "127.0.0.1", "--port", str(port))
        stack.enter_context(_supervised(own, server_output, *server))
        _await_server(client["PREFECT_API_URL"], server_output)
        for command in (("work-pool", "create", "local", "--type", "process"), ("deploy", "--all")):
            done = _prefect(client, *command)
            assert done.returncode == 0, done.stdout + done.stderr
        stack.enter_context(_supervised(client, worker_output, "worker", "start", "--pool", "local"))
        artifacts = copied(next_day.artifacts, directory / "artifacts", champion=False)
        yield Deployed(client, next_day.logs, artifacts)


def test_the_daily_deployment_promotes_the_day_before_its_scheduled_start(deployed: Deployed) -> None:
    done = deployed.run("daily-retrain/daily", "--start-at", f"{NEXT} 03:15 UTC")
    assert done.returncode == 0, done.stdout + done.stderr
    champion = Registry(deployed.artifacts / LINE).champion()
    assert champion is not None
    assert champion.as_of == AS_OF


def test_the_backfill_deployment_registers_three_days_and_promotes_none(deployed: Deployed) -> None:
    last = AS_OF + timedelta(days=2)
    registry = Registry(deployed.artifacts / LINE)
    before = registry.champion()
    done = deployed.run("backfill/manual", first=str(AS_OF), last=str(last))
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(path.name[:8] for path in registry.models.iterdir()) == ["20260121", "20260122", "20260123"]
    assert registry.champion() == before
    assert half_written(deployed.artifacts) == []


def test_the_server_refuses_a_window_out_of_bounds(deployed: Deployed) -> None:
    done = deployed.run("daily-retrain/daily", as_of=str(AS_OF), window_days=10)
    assert done.returncode != 0
    assert "10 is less than the minimum of 20" in done.stdout + done.stderr
