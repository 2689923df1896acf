"""The automation files: valid, and about events, tags and deployments that exist; and at work.

At work means on a server and a worker of their own: a machine that dies, and messages that people get, by a webhook and
by Slack. Slack is a server here that the platform's processes reach as hooks.slack.com, through a proxy, with a
certificate that they are told to trust.
"""

import json
import os
import re
import shutil
import signal
import sqlite3
import ssl
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from prefect.events.schemas.automations import AutomationCore
from prefect.server.utilities.user_templates import render_user_template_sync
from prefect.settings import PREFECT_API_URL, temporary_settings

from mtmd.errors import ConfigError
from mtmd.flows import monitor, rollback
from mtmd.flows.automations import _REFERENCE, apply, automations, packaged
from mtmd.flows.events import Event
from tests.documented import Checkout, Step, checkout_in
from tests.flows.runs import NEXT, ROOT, Run

_FILES = sorted(packaged().glob("*.yaml"))
_PACKAGED = packaged().relative_to(ROOT)
_DECLARED = [one for path in _FILES for one in yaml.safe_load(path.read_text())["automations"]]

LATE_AFTER_S = 10  # 26 hours as shipped
UP = Step("make up", add="PORT=$A_PORT REPORTS_PORT=$ANOTHER_PORT", says="UI: http://127.0.0.1:")
_PATIENCE_S = 600.0
_SLACK = "https://hooks.slack.com/services/T1AAAAAAA/B1BBBBBBB/cccccccccccccccccccccccc"
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


def test_a_message_of_a_line_without_a_champion_says_none() -> None:
    """As Prefect renders it, which takes an event's values for what they are."""
    bodies = [action["body"] for one in _DECLARED for action in one["actions"] if "'champion'" in str(action)]
    event = {
        "resource": {"prefect.resource.name": "demo"},
        "payload": {"day": "2026-01-25", "champion": None, "words": "kept"},
    }
    said = {render_user_template_sync(body, {"event": event}) for body in bodies}
    assert said == {"demo 2026-01-25, champion none: kept"}


def test_every_event_that_flows_emit_is_waited_for() -> None:
    emitted = set(get_args(Event))
    awaited = {event for one in _DECLARED for event in one["trigger"]["expect"] if event.startswith("mtmd.")}
    assert awaited == emitted


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
    told_in_slack: list[dict[str, Any]] = field(default_factory=list)

    def heard(self, subject: str) -> list[str]:
        """The webhook's messages of a subject."""
        return [one["text"] for one in self.told if one["text"].startswith(f"{subject}: ")]

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
def live(
    first_run: Run, new_prefect_home: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    """With a champion and no logs; a decision is late after seconds instead of hours."""
    checkout = checkout_in(tmp_path_factory.mktemp("live") / "checkout")
    new_prefect_home(checkout.root / ".platform" / "prefect")
    shutil.copytree(first_run.root, checkout.line)
    messages = checkout.root / _PACKAGED / "messages.yaml"
    text, changed = re.subn(r"(?m)^( +within:) 93600$", rf"\1 {LATE_AFTER_S}", messages.read_text())
    assert changed == 1
    messages.write_text(text)
    platform, slack = Live(checkout), _certificate(checkout.root)
    receiver = _receiver(platform.told, platform.told_in_slack, slack)
    with ThreadingHTTPServer(("127.0.0.1", 0), receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        here = f"http://127.0.0.1:{server.server_port}"
        checkout.environment |= {
            "HTTPS_PROXY": here, "NO_PROXY": "127.0.0.1,localhost", "REQUESTS_CA_BUNDLE": str(slack),
        }  # fmt: skip
        try:
            checkout.take(UP)
            body = {"text": "{{subject}}: {{body}}"}
            webhook = {"name": "alerts", "url": f"{here}/", "method": "POST", "json_data": body}
            _make_block(checkout, "custom-webhook", webhook)
            _make_block(checkout, "slack-webhook", {"url": _SLACK})
            yield platform
        finally:
            checkout.end()
            server.shutdown()


def _certificate(folder: Path) -> Path:
    """A certificate of hooks.slack.com with its key, in one file."""
    path = folder / "slack.pem"
    command = (
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "2", "-subj", "/CN=hooks.slack.com",
        "-addext", "subjectAltName=DNS:hooks.slack.com", "-keyout", str(path), "-out", f"{path}.crt",
    )  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


def _receiver(
    told: list[dict[str, Any]], told_in_slack: list[dict[str, Any]], certificate: Path
) -> type[BaseHTTPRequestHandler]:
    """A webhook at `/`, and a proxy behind which hooks.slack.com is itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    class Receiver(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            assert self.path == "hooks.slack.com:443"
            self.send_response(200)
            self.end_headers()
            self.connection = context.wrap_socket(self.connection, server_side=True)
            self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
            self.close_connection = False  # what comes next is said to Slack

        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["content-length"])))
            (told if self.path == "/" else told_in_slack).append(message | {"path": self.path})
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"ok")
            self.close_connection = True

        def finish(self) -> None:
            super().finish()
            self.connection.close()  # the server knows the one below it

        def log_message(self, *_: object) -> None:
            """Quiet."""

    return Receiver


def _make_block(checkout: Checkout, kind: str, data: dict[str, Any]) -> None:
    """As the UI does it: docs/operations.md."""
    identity = checkout.ask(f"/block_types/slug/{kind}")["id"]
    (schema, *_) = checkout.ask(
        "/block_schemas/filter", {"block_schemas": {"block_type_id": {"any_": [identity]}}}
    )
    document = {
        "name": "mtmd-alerts",
        "data": data,
        "block_type_id": identity,
        "block_schema_id": schema["id"],
    }
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
    waiting = live.start("simulate_day", as_of="2026-01-25", days=1, preset="tiny", logs="logs/another")
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
    assert {one["name"] for one in _DECLARED} <= set(live.named("automations"))  # there is a block now


def test_what_flows_emit_is_told_by_webhook_and_in_slack_and_then_it_is_late(
    live: Live, zombie: tuple[str, str], tmp_path: Path
) -> None:
    """Also that a backfill's day is not told as kept, and that `late` comes where no decision does."""
    text = (live.checkout.root / _PACKAGED / "messages.yaml").read_text()
    text = text.replace("custom-webhook|slack-webhook", "slack-webhook").replace(
        "name: mtmd-", "name: slack-"
    )
    (tmp_path / "slack.yaml").write_text(text)
    told = list(apply(tmp_path, f"http://127.0.0.1:{live.checkout.environment['A_PORT']}/api"))
    assert told[0] == "automation slack-tell-promotion: created"
    for kind, day, which in (
        ("kept", "2026-01-20", "earlier"),
        ("kept", "2026-01-25", "newest"),
        ("rolled-back", "2026-01-25", "newest"),
        ("promoted", "2026-01-26", "newest"),
    ):
        _emit(live.checkout, f"mtmd.champion.{kind}", day, which)
    said = "champion 20260126-a: because"
    for subject, words in (
        ("MTMD kept its champion", f"demo 2026-01-25, {said}"),
        ("MTMD rollback", f"demo 2026-01-25, {said}"),
        ("MTMD promoted", f"demo 2026-01-26, {said}"),
        ("MTMD is late", "demo: the last decision is about 2026-01-26, and none came for 26 hours since"),
    ):
        assert _await(lambda subject=subject: live.heard(subject)) == [f"{subject}: {words}"]
        in_slack = _await(
            lambda subject=subject: [one for one in live.told_in_slack if subject in json.dumps(one)]
        )
        assert words in json.dumps(in_slack[0])
        assert in_slack[0]["path"] == _SLACK.removeprefix("https://hooks.slack.com")


def _emit(checkout: Checkout, event: str, day: str, which: str) -> None:
    """As a flow does it: flows/events.py."""
    resource = {"prefect.resource.id": "mtmd.line.demo", "prefect.resource.name": "demo", "mtmd.day": which}
    payload = {"day": day, "champion": "20260126-a", "words": "because"}
    sent = {"id": str(uuid.uuid4()), "occurred": datetime.now(UTC).isoformat(), "event": event}
    checkout.ask("/events", [sent | {"resource": resource, "payload": payload}])


def test_make_up_leaves_deployments_to_their_schedules(live: Live) -> None:
    assert {one["paused"] for one in live.checkout.ask("/deployments/filter", {})} == {False}


def test_a_breach_is_told_and_retrains_when_that_is_enabled(live: Live, zombie: tuple[str, str]) -> None:
    retraining = live.named("automations")["mtmd-retrain-on-breach"]
    _enable(live.checkout, retraining)
    run = live.start("monitor", as_of=str(NEXT), preset="tiny")
    assert _await(lambda: live.run(run)["state"]["name"] == "Breach"), live.run(run)["state"]
    told = _await(lambda: live.heard("MTMD monitor"))
    assert len(told) == 1
    assert re.fullmatch(
        rf"MTMD monitor: tiny {NEXT}, champion 20260121-\w+: 1 breach: there are no logs.*", told[0]
    )
    (made,) = _await(lambda: _made_by(live, retraining))
    assert made["deployment_id"] == live.deployment("daily_retrain")
    assert _await(
        lambda: [
            one for one in live.heard("MTMD run failed") if one.startswith("MTMD run failed: daily-retrain")
        ]
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
        f"automation {one['name']}: {'updated' if one['name'] == 'mtmd-retrain-on-breach' else 'unchanged'}"
        for one in _DECLARED
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
