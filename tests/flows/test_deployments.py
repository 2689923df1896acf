"""`make up`: the deployments of prefect.yaml on a real server with a real worker, from the command line."""

import json
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.platform import Platform, down, up
from mtmd.registry import Registry
from tests.flows.runs import AS_OF, LINE, NEXT, ROOT, TINY, Run, copied, half_written

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

    def run(self, deployment: str, *options: str, **parameters: Any) -> "subprocess.CompletedProcess[str]":
        """Run a deployment on the tiny preset and wait for its end."""
        places = {"preset": TINY, "logs": str(self.logs), "artifacts": str(self.platform.artifacts)}
        pairs = [f"{name}={json.dumps(value)}" for name, value in (places | parameters).items()]
        flags = [part for pair in pairs for part in ("--param", pair)]
        return self.prefect(
            "deployment", "run", deployment, *flags, *options, "--watch", "--watch-interval", "1"
        )

    def ask(self, path: str, **body: Any) -> Any:
        """What the server's API answers to a POST."""
        request = urllib.request.Request(
            f"{self.platform.api}{path}", json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    @property
    def registry(self) -> Registry:
        return Registry(self.platform.artifacts / LINE)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def deployed(next_day: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    directory = tmp_path_factory.mktemp("deployed")
    artifacts = copied(next_day.artifacts, directory / "artifacts", champion=False)
    platform = Platform(directory / "platform", _free_port(), _free_port(), artifacts)
    try:
        up(platform)
        yield Deployed(platform, next_day.logs)
    finally:
        down(platform)


def test_the_daily_deployment_promotes_the_day_before_its_scheduled_start(deployed: Deployed) -> None:
    done = deployed.run("daily-retrain/daily", "--start-at", f"{NEXT} 03:15 UTC")
    assert done.returncode == 0, done.stdout + done.stderr
    champion = deployed.registry.champion()
    assert champion is not None
    assert champion.as_of == AS_OF


def test_the_verdict_links_a_page_that_the_platform_serves(deployed: Deployed) -> None:
    """After the daily run above."""
    (verdict,) = deployed.ask("/artifacts/latest/filter", artifacts={"key": {"any_": ["verdict"]}})
    (address,) = {part.partition(")")[0] for part in verdict["data"].split("[report.html](")[1:]}
    assert address.startswith(f"{deployed.platform.reports}/{LINE}/runs/{AS_OF}-")
    with urllib.request.urlopen(address, timeout=30) as page:
        assert "<h1>Promoted</h1>" in page.read().decode()


def test_deployments_have_the_commit_tags_and_queues_and_one_run_at_a_time(deployed: Deployed) -> None:
    found = deployed.ask("/deployments/filter")
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--match=nothing"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    assert {one["version"] for one in found} == {commit}
    assert all("mtmd" in one["tags"] for one in found)
    assert {one["global_concurrency_limit"]["limit"] for one in found} == {1}
    queues = {one["entrypoint"].split(":")[1]: one["work_queue_name"] for one in found}
    assert {flow for flow, queue in queues.items() if queue == "background"} == {
        "backfill",
        "ablation",
        "clean_up",
    }
    limits = {
        one["name"]: one["concurrency_limit"] for one in deployed.ask("/work_pools/local/queues/filter")
    }
    assert (limits["background"], limits["daily"]) == (1, None)


def test_up_again_starts_and_creates_nothing_twice(
    deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {one["name"] for one in deployed.ask("/automations/filter")}
    up(deployed.platform)
    said = capsys.readouterr().out
    for name in ("server", "worker", "reports"):
        assert f"{name}: running already" in said
    assert "automation mtmd-crash-zombies: unchanged" in said
    assert "automation mtmd-tell-breach: left out, there is no block custom-webhook/mtmd-alerts" in said
    assert before == {"mtmd-crash-zombies", "mtmd-retrain-on-breach"}
    assert len(deployed.ask("/automations/filter")) == len(before)


def test_the_backfill_deployment_registers_three_days_and_promotes_none(deployed: Deployed) -> None:
    last = AS_OF + timedelta(days=2)
    registry = deployed.registry
    before = registry.champion()
    done = deployed.run("backfill/manual", first=str(AS_OF), last=str(last), reprocess="all")
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(path.name[:8] for path in registry.models.iterdir()) == ["20260121", "20260122", "20260123"]
    assert registry.champion() == before
    assert half_written(deployed.platform.artifacts) == []


def test_the_server_refuses_a_window_out_of_bounds(deployed: Deployed) -> None:
    done = deployed.run("daily-retrain/daily", as_of=str(AS_OF), window_days=10)
    assert done.returncode != 0
    assert "10 is less than the minimum of 20" in done.stdout + done.stderr
