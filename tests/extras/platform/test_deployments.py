"""`make up`: the deployments of prefect.yaml on a real server with a real worker, from the command line."""

import json
import re
import shutil
import subprocess
import threading
import time as clock
import urllib.request
from datetime import UTC, datetime, time, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mtmd.extras.platform.local import up
from mtmd.monitor.stage import monitor
from mtmd.registry.registry import Registry
from tests.extras.platform.deployed import Deployed
from tests.flows.runs import AS_OF, LINE, NEXT, ROOT, TINY, Run, copied, half_written
from tests.monitor.planted import answered, promoted


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


def test_the_server_offers_one_ui(deployed: Deployed) -> None:
    """Else a banner on each dashboard leads to V2, whose pages ask the internet."""
    with urllib.request.urlopen(f"http://127.0.0.1:{deployed.platform.port}/ui-settings", timeout=30) as said:
        settings = json.load(said)
    assert (settings["available_uis"], settings["default_ui"]) == (["v1"], "v1")


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
    assert "automation mtmd-tell-breach: left out: nobody said where messages go" in said
    assert before == {"mtmd-crash-zombies", "mtmd-rollback-on-breach"}
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


def test_a_backfill_that_is_cancelled_takes_its_day_with_it(deployed: Deployed) -> None:
    backfill = deployed.start("backfill", first=str(AS_OF), last=str(NEXT), reprocess="all")
    days, itself = {"parent_flow_run_id": {"any_": [backfill]}}, {"id": {"any_": [backfill]}}

    def states(only: dict[str, Any]) -> list[str]:
        return [run["state_type"] for run in deployed.ask("/flow_runs/filter", flow_runs=only)]

    deadline = clock.monotonic() + 300
    while "RUNNING" not in states(days):
        assert clock.monotonic() < deadline
        clock.sleep(0.2)
    deployed.ask(f"/flow_runs/{backfill}/set_state", state={"type": "CANCELLING"})
    while states(itself) == ["CANCELLING"]:
        assert clock.monotonic() < deadline
        clock.sleep(0.5)
    assert states(itself) == states(days) == ["CANCELLED"]


def test_a_message_about_a_failed_day_begins_with_the_cause_and_links_its_page(deployed: Deployed) -> None:
    """From `mtmd messages` to the webhook: the server's own automations send it."""
    server = pytest.importorskip("mtmd.extras.messages.server", reason="the extra `messages` is not here")
    came: list[str] = []

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(json.loads(self.rfile.read(int(self.headers["content-length"])))["text"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Webhook) as hook:
        threading.Thread(target=hook.serve_forever, daemon=True).start()
        list(server.send_to(f"http://127.0.0.1:{hook.server_port}/hook", deployed.platform.api))
        made = list(server.apply(server.packaged(), deployed.platform.api))
        assert "automation mtmd-tell-failure: created" in made
        late = AS_OF + timedelta(days=60)
        assert deployed.run("daily-retrain/daily-retrain", as_of=str(late)).returncode == 1
        deadline = clock.monotonic() + 60
        while not came:
            assert clock.monotonic() < deadline
            clock.sleep(0.2)
        hook.shutdown()
    subject, cause, *notes, run = came[0].splitlines()
    assert subject == f"MTMD: daily-retrain {late} failed"
    assert cause.startswith(
        f"logs '{deployed.logs}' lack 21 of the 21 days from {late - timedelta(days=20)} to"
    )
    assert run.startswith(f"http://127.0.0.1:{deployed.platform.port}/runs/flow-run/")
    (page,) = (note.removeprefix("Page: ") for note in notes if note.startswith("Page: "))
    with urllib.request.urlopen(page, timeout=30) as shown:
        assert "Stopped before a decision was recorded" in shown.read().decode()


def test_a_champion_that_does_badly_on_probation_is_taken_down_without_a_person(
    deployed: Deployed, first_run: Run, tmp_path: Path
) -> None:
    """Its scores are twice too high. From the monitor's event to the rollback the server acts alone."""
    pytest.importorskip("mtmd.extras.messages.server", reason="the extra `messages` is not here")
    logs, last = Path(shutil.copytree(deployed.logs, tmp_path / "logs")), NEXT + timedelta(days=1)
    registry = Registry(copied(first_run.artifacts, tmp_path / "artifacts") / LINE)
    places = {"logs": str(logs), "artifacts": str(registry.root.parent)}
    good = registry.require_champion().model_id
    answered(logs, {NEXT: f"'{good}'"})
    monitor(NEXT, TINY, **places)
    bad = promoted(registry, NEXT, "bad", odds=2.4)
    answered(logs, {last: f"'{bad}'"})
    automation = "mtmd-rollback-on-breach"
    (made,) = (one for one in deployed.ask("/automations/filter") if one["name"] == automation)
    assert not made["enabled"]
    assert deployed.prefect("automation", "resume", automation).returncode == 0
    night = datetime.combine(last + timedelta(days=1), time(3), UTC)
    assert deployed.scheduled("monitor", night, **places)["state_name"] == "Breach"
    deadline = clock.monotonic() + 300
    while registry.require_champion().model_id != good:
        assert clock.monotonic() < deadline
        clock.sleep(0.5)
    change = registry.history()[-1]
    assert (change.action, change.about) == ("rollback", bad)
    assert change.reason.startswith(f"rollback-on-breach: the monitor of {last}: {bad}, ctr: calibration ")
    while change.reason[:100] not in (page := (registry.root / "index.html").read_text()):
        assert clock.monotonic() < deadline  # the flow writes the page after the flip
        clock.sleep(0.5)
    assert "served calibration" in page or f"{bad}, ctr: calibration" in page
