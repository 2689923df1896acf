"""The automation files: valid, and about events, tags and deployments that exist; and at work.

At work means on a server and a worker of their own: a machine that dies, and a breach that people hear of.
"""

import json
import os
import re
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.events.schemas.automations import AutomationCore
from prefect.settings import PREFECT_API_URL, temporary_settings

from mtmd.errors import ConfigError
from mtmd_flows import monitor, rollback
from mtmd_flows.automations import _REFERENCE, apply, automations, packaged
from tests.documented import Checkout, Step, checkout_in
from tests.mtmd_flows.runs import NEXT, ROOT, Run

_FILES = sorted(packaged().glob("*.yaml"))
_PACKAGED = packaged().relative_to(ROOT)
_DECLARED = [one for path in _FILES for one in yaml.safe_load(path.read_text())["automations"]]

WITHIN_S = int(os.environ.get("MTMD_ZOMBIE_WITHIN_S", "10"))  # 90 as shipped, which would take minutes
UP = Step("make up", add="PORT=$A_PORT REPORTS_PORT=$ANOTHER_PORT", says="UI: http://127.0.0.1:")
_PATIENCE_S = 600.0
_AN_HOUR_AGO = """
update automation_bucket
set start = strftime('%Y-%m-%d %H:%M:%f000', start, '-1 hour'),
    "end" = strftime('%Y-%m-%d %H:%M:%f000', "end", '-1 hour')
"""


def _references(value: Any) -> list[str]:
    if isinstance(value, dict | list):
        return [
            one for own in (value.values() if isinstance(value, dict) else value) for one in _references(own)
        ]
    return [value] if isinstance(value, str) and _REFERENCE.match(value) else []


def _resolved(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _resolved(own) for key, own in value.items()}
    if isinstance(value, list):
        return [_resolved(own) for own in value]
    return "00000000-0000-0000-0000-000000000000" if _references(value) else value


@pytest.mark.parametrize("declared", _DECLARED, ids=lambda one: str(one["name"]))
def test_an_automation_is_valid_and_refers_to_what_there_is(declared: dict[str, Any]) -> None:
    automation = AutomationCore.model_validate(_resolved(declared))
    assert automation.name.startswith("mtmd-")
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    names = {
        f"{Path(one['entrypoint'].split(':')[0]).stem.replace('_', '-')}/{one['name']}" for one in deployments
    }
    for reference in _references(declared):
        found = _REFERENCE.match(reference)
        assert found is not None
        assert found[1] == "block" or found[2] in names


def test_the_breach_that_is_waited_for_is_the_one_that_is_emitted() -> None:
    waiting = [one["name"] for one in _DECLARED if monitor.BREACH in one["trigger"]["expect"]]
    assert waiting == ["mtmd-tell-breach", "mtmd-retrain-on-breach"]


def test_a_run_that_ends_in_a_state_of_its_own_is_no_zombie() -> None:
    (zombies,) = [one["trigger"] for one in _DECLARED if one["name"] == "mtmd-crash-zombies"]
    ends = {monitor.BREACH_STATE, rollback.UNPUBLISHED}
    assert {f"prefect.flow-run.{name}" for name in ends} <= set(zombies["expect"])


def test_retraining_on_a_breach_is_off_and_zombies_are_looked_for() -> None:
    on = {one["name"]: one.get("enabled", True) for one in _DECLARED}
    assert on["mtmd-retrain-on-breach"] is False
    assert on["mtmd-crash-zombies"] is True
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    assert deployments["definitions"]["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, r"automations has no \.yaml file; name a folder with automations"),
        (b"automations: [\xe9]", r"own\.yaml is no YAML: 'utf-8' codec can't decode byte 0xe9"),
        (b"automations: [", r"own\.yaml is no YAML: while parsing a flow node"),
        (
            b"automations: [{enabled: true}]",
            r"own\.yaml must have a list `automations`, each of them with a name",
        ),
        (b"automations: [{name: mine, trigger: 3}]", r"own\.yaml, automation mine: .*; correct the file"),
    ],
)
def test_a_folder_that_has_no_automations_is_refused(tmp_path: Path, text: bytes | None, said: str) -> None:
    (tmp_path / "automations").mkdir()
    if text is not None:
        (tmp_path / "automations" / "own.yaml").write_bytes(text)
    with pytest.raises(ConfigError, match=f"(?s){said}"):
        list(apply(tmp_path / "automations", "http://127.0.0.1:9/api"))


def test_a_server_that_does_not_answer_or_is_not_named_is_said() -> None:
    with pytest.raises(ConfigError, match=r"the Prefect server at http://127\.0\.0\.1:9/api does not answer"):
        list(apply(packaged(), "http://127.0.0.1:9/api"))
    with (
        temporary_settings({PREFECT_API_URL: None}),
        pytest.raises(ConfigError, match="PREFECT_API_URL must be the address of the server's API"),
    ):
        automations()


@pytest.mark.parametrize("status", [404, 401])  # an address without /api; no key
def test_a_server_that_refuses_is_said(status: int) -> None:
    class Refusing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_error(status)

        def do_GET(self) -> None:
            self.send_error(status)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        try:
            with pytest.raises(
                ConfigError, match=rf"server at {url} answered {status} to {url}/.*ends in /api"
            ):
                list(apply(packaged(), url))
        finally:
            server.shutdown()


# ---- at work


@dataclass
class Live:
    """A platform as `make up` makes it, and what its webhook was told."""

    checkout: Checkout
    told: list[dict[str, Any]] = field(default_factory=list)

    def deployment(self, flow: str) -> str:
        """The id of the deployment of a flow's function."""
        (found,) = (
            one["id"]
            for one in self.checkout.ask("/deployments/filter", {})
            if one["entrypoint"].endswith(f":{flow}")
        )
        return str(found)

    def start(self, flow: str, **parameters: Any) -> str:
        """The id of a new run of a flow's deployment."""
        path = f"/deployments/{self.deployment(flow)}/create_flow_run"
        return str(self.checkout.ask(path, {"parameters": parameters})["id"])

    def run(self, identity: str) -> dict[str, Any]:
        found: dict[str, Any] = self.checkout.ask(f"/flow_runs/{identity}")
        return found

    def record(self, name: str) -> dict[str, Any]:
        """What `make up` wrote down of a process."""
        found: dict[str, Any] = json.loads((self.checkout.root / ".platform" / f"{name}.json").read_text())
        return found

    def awaited_beats(self) -> int:
        """How many runs the zombie automation waits for."""
        with closing(self._database()) as database:
            return int(database.execute("select count(*) from automation_bucket").fetchone()[0])

    def let_an_hour_pass(self) -> int:
        """As if the server had been down for an hour: what it waits for was to come that long ago."""
        with closing(self._database()) as database, database:
            return database.execute(_AN_HOUR_AGO).rowcount

    def _database(self) -> sqlite3.Connection:
        return sqlite3.connect(self.checkout.root / ".platform" / "prefect" / "prefect.db", timeout=60)

    def named(self, collection: str) -> dict[str, str]:
        return {one["name"]: one["id"] for one in self.checkout.ask(f"/{collection}/filter", {})}


def _await(what: Callable[[], Any]) -> Any:
    """The first answer that is not empty, or the last one when patience is out."""
    deadline = time.monotonic() + _PATIENCE_S
    while not (found := what()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


@pytest.fixture(scope="module")
def live(first_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """With a champion and no logs; the zombie automation waits for seconds instead of minutes."""
    checkout = checkout_in(tmp_path_factory.mktemp("live") / "checkout")
    shutil.copytree(first_run.root, checkout.line)
    zombies = checkout.root / _PACKAGED / "crash-zombies.yaml"
    text, changed = re.subn(r"(?m)^( +within:) 90$", rf"\1 {WITHIN_S}", zombies.read_text())
    assert changed == 1
    zombies.write_text(text)
    platform = Live(checkout)
    with ThreadingHTTPServer(("127.0.0.1", 0), _receiver(platform.told)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            checkout.take(UP)
            _make_block(checkout, f"http://127.0.0.1:{server.server_port}/")
            yield platform
        finally:
            checkout.end()
            server.shutdown()


def _receiver(told: list[dict[str, Any]]) -> type[BaseHTTPRequestHandler]:
    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    return Receiver


def _make_block(checkout: Checkout, url: str) -> None:
    """As the UI does it: docs/operations.md."""
    kind = checkout.ask("/block_types/slug/custom-webhook")["id"]
    (schema, *_) = checkout.ask(
        "/block_schemas/filter", {"block_schemas": {"block_type_id": {"any_": [kind]}}}
    )
    body = {"text": "{{subject}}: {{body}}"}
    data = {"name": "alerts", "url": url, "method": "POST", "json_data": body}
    document = {"name": "mtmd-alerts", "data": data, "block_type_id": kind, "block_schema_id": schema["id"]}
    checkout.ask("/block_documents/", document)


@pytest.fixture(scope="module")
def zombie(live: Live) -> tuple[str, str]:
    """A run whose process was killed together with its worker and the server, and the one that waits behind it."""
    identity = live.start("simulate_day", as_of="2026-01-25", days=400)
    _await(lambda: live.run(identity)["state"]["type"] == "RUNNING")
    beat = {
        "event": {"name": ["prefect.flow-run.heartbeat"]},
        "resource": {"id": [f"prefect.flow-run.{identity}"]},
    }
    assert _await(lambda: live.checkout.ask("/events/filter", {"filter": beat})["events"])
    process = int(live.run(identity)["infrastructure_pid"].split(":")[-1])
    waiting = live.start("simulate_day", as_of="2026-01-25", days=1, logs="logs/another")
    assert _await(live.awaited_beats)
    before = {name: live.named(name) for name in ("deployments", "automations")}
    for pid in (live.record("worker")["pid"], process, live.record("server")["pid"]):
        os.kill(pid, signal.SIGKILL)
    assert live.let_an_hour_pass() == 1
    live.checkout.take(replace(UP, says="automation mtmd-crash-zombies: unchanged"))  # so it goes on waiting
    after = {name: live.named(name) for name in ("deployments", "automations")}
    assert {name: before[name].items() <= after[name].items() for name in before} == dict.fromkeys(
        before, True
    )
    return identity, waiting


def test_up_after_everything_was_killed_keeps_runs_deployments_and_automations(
    live: Live, zombie: tuple[str, str]
) -> None:
    assert {"mtmd-tell-breach", "mtmd-tell-failure"} <= set(live.named("automations"))  # there is a block now


def test_a_breach_is_told_and_retrains_when_that_is_enabled(live: Live, zombie: tuple[str, str]) -> None:
    retraining = live.named("automations")["mtmd-retrain-on-breach"]
    _enable(live.checkout, retraining)
    run = live.start("monitor", as_of=str(NEXT), preset="tiny")
    assert _await(lambda: live.run(run)["state"]["name"] == "Breach"), live.run(run)["state"]
    told = _await(lambda: [one["text"] for one in live.told if one["text"].startswith("MTMD monitor: ")])
    assert len(told) == 1
    assert re.fullmatch(
        rf"MTMD monitor: {NEXT}, champion 20260121-\w+: 1 breach: there are no logs.*", told[0]
    )
    (made,) = _await(lambda: _made_by(live, retraining))
    assert made["deployment_id"] == live.deployment("daily_retrain")
    assert _await(
        lambda: [one for one in live.told if one["text"].startswith("MTMD run failed: daily-retrain")]
    )


def test_a_run_whose_machine_died_is_crashed_and_the_next_one_has_its_slot(
    live: Live, zombie: tuple[str, str]
) -> None:
    identity, waiting = zombie
    assert _await(lambda: live.run(identity)["state"]["type"] == "CRASHED"), live.run(identity)["state"]
    assert live.run(identity)["state"]["message"] == "no heartbeat for 90 s"
    assert _await(lambda: live.run(waiting)["state"]["type"] == "COMPLETED"), live.run(waiting)["state"]


def test_a_changed_file_is_applied_and_leaves_the_switch_to_people(live: Live, tmp_path: Path) -> None:
    """After the breach above, for which one was enabled."""
    api = f"http://127.0.0.1:{live.checkout.environment['A_PORT']}/api"
    shutil.copytree(live.checkout.root / _PACKAGED, tmp_path / "automations")
    breach = tmp_path / "automations" / "monitor-breach.yaml"
    breach.write_text(breach.read_text().replace("Start the daily run at once.", "Start the daily run."))
    assert set(apply(breach.parent, api)) == {
        "automation mtmd-crash-zombies: unchanged",
        "automation mtmd-tell-breach: unchanged",
        "automation mtmd-tell-failure: unchanged",
        "automation mtmd-retrain-on-breach: updated",
    }
    (found,) = (
        one for one in live.checkout.ask("/automations/filter", {}) if one["name"] == "mtmd-retrain-on-breach"
    )
    assert (found["enabled"], found["description"][:20]) == (True, "Start the daily run.")


def _enable(checkout: Checkout, automation: str) -> None:
    """As the switch in the UI does."""
    checkout.ask(f"/automations/{automation}", {"enabled": True}, method="PATCH")


def _made_by(live: Live, automation: str) -> list[dict[str, Any]]:
    """Runs of the daily deployment that the automation started, once they are in a process."""
    runs = live.checkout.ask("/flow_runs/filter", {"sort": "START_TIME_DESC"})
    return [
        one
        for one in runs
        if (one["created_by"] or {}).get("id") == automation and one["state"]["type"] in {"RUNNING", "FAILED"}
    ]
