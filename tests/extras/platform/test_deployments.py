"""`make up`: the deployments of prefect.yaml on a real server with a real worker, from the command line."""

import re
import subprocess
import urllib.request
from datetime import UTC, datetime, time, timedelta

import pytest

from mtmd.extras.platform.local import up
from tests.extras.platform.deployed import Deployed
from tests.flows.runs import AS_OF, LINE, NEXT, ROOT, TINY, half_written


def test_a_nights_scheduled_runs_are_about_the_day_before_their_scheduled_starts(deployed: Deployed) -> None:
    """Delivery, monitor and daily run: the monitor finds no champion, and the daily run promotes one."""
    night = datetime.combine(NEXT, time(3), UTC)
    runs = [
        deployed.scheduled("simulate_day", night, days=1),
        deployed.scheduled("monitor", night),
        deployed.scheduled("daily_retrain", night, ablations=False),
    ]
    names = ["simulate-day", "monitor", "daily-retrain"]
    assert [run["name"] for run in runs] == [f"{name} {AS_OF}" for name in names]
    assert [run["state_name"] for run in runs] == ["Completed", "Breach", "Completed"]
    champion = deployed.registry.champion()
    assert champion is not None
    assert champion.as_of == AS_OF


def test_the_verdict_links_a_page_that_the_platform_serves(deployed: Deployed) -> None:
    """After the night above."""
    (verdict,) = deployed.ask("/artifacts/latest/filter", artifacts={"key": {"any_": ["verdict"]}})
    (address,) = set(re.findall(r"\]\((http[^)]+)\)", verdict["data"]))
    assert address.startswith(f"{deployed.platform.reports}/{LINE}/runs/{AS_OF}-")
    with urllib.request.urlopen(address, timeout=30) as page:
        assert "<h1>✓ Promoted" in page.read().decode()


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
        "backtest",
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
    assert {one["parameters"]["preset"] for one in deployed.ask("/deployments/filter")} == {"demo"}
    up(deployed.platform, TINY)
    said = capsys.readouterr().out
    assert {one["parameters"]["preset"] for one in deployed.ask("/deployments/filter")} == {TINY}
    for name in ("server", "worker", "reports"):
        assert f"{name}: running already" in said
    assert "automation mtmd-crash-zombies: is there, and stays" in said
    assert "automation mtmd-tell-breach: left out: make the block custom-webhook" in said
    assert before == {"mtmd-crash-zombies"}
    assert len(deployed.ask("/automations/filter")) == len(before)


def test_dailies_take_turns_beside_a_backfill_that_promotes_nothing(deployed: Deployed) -> None:
    last = AS_OF + timedelta(days=2)
    backfill = deployed.start("backfill", first=str(AS_OF), last=str(last), reprocess="all")
    dailies = [deployed.start("daily_retrain", as_of=str(day), ablations=False) for day in (AS_OF, NEXT)]
    long, *runs = deployed.ended([backfill, *dailies])
    one, other = sorted(runs, key=lambda run: str(run["start_time"]))
    assert other["start_time"] >= one["end_time"]
    assert one["start_time"] < long["end_time"], "the backfill was over too soon to show anything"
    registry = deployed.registry
    assert sorted(path.name[:8] for path in registry.models.iterdir()) == ["20260121", "20260122", "20260123"]
    assert {change.model_id[:8] for change in registry.history()} <= {"20260121", "20260122"}
    assert half_written(deployed.platform.artifacts) == []


def test_a_backfill_from_the_command_line_links_the_pages_of_its_days(deployed: Deployed) -> None:
    """After the one above: nothing is left to run."""
    done = deployed.run("backfill/backfill", first=str(AS_OF), last=str(NEXT))
    assert done.returncode == 0, done.stdout + done.stderr
    (table,) = deployed.ask("/artifacts/latest/filter", artifacts={"key": {"any_": ["backfill"]}})
    assert f"{NEXT} skipped" in table["data"]
    addresses = re.findall(r"\]\((http[^)]+)\)", table["data"])
    assert len(addresses) == 2
    for address in addresses:
        with urllib.request.urlopen(address, timeout=30) as page:
            assert "<h1>" in page.read().decode()
