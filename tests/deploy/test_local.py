"""What `make up` records and `make down` ends: its own processes, and nobody else's."""

import json
import os
import socket
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy.local import (
    _PORT_PATIENCE_S,
    _PREFECT,
    ROOT,
    Platform,
    _await,
    _require_free,
    _start,
    down,
    main,
    up,
)
from mtmd.errors import ConfigError
from tests.flows.deployed import family_of, free_port
from tests.flows.runs import answered

_SLEEPS = (sys.executable, "-c", "import time; time.sleep(60)")


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return Platform(tmp_path / "platform", port=1, reports_port=1, artifacts=tmp_path)


def test_a_process_is_started_once_and_ended(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    _start(platform, "worker", _SLEEPS, os.environ)
    (pid,) = family_of(platform, "worker")
    _start(platform, "worker", _SLEEPS, os.environ)
    assert family_of(platform, "worker") == [pid]
    down(platform)
    assert capsys.readouterr().out == (
        f"worker: started (pid {pid})\nworker: running already (pid {pid})\n"
        f"worker: stopped (pid {pid})\nreports: not running\nserver: not running\n"
    )
    assert family_of(platform, "worker") == []
    assert not (platform.home / "worker.json").exists()


def test_a_port_that_another_program_has_or_that_is_none_is_named(platform: Platform) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        for port in (other.getsockname()[1], 0, 99999, -5):
            said = rf"port {port} of the server must be from 1 to 65535 and free"
            with pytest.raises(ConfigError, match=said):
                up(replace(platform, port=port))
    assert not platform.home.exists()


def test_a_wrong_preset_starts_nothing(platform: Platform) -> None:
    with pytest.raises(ConfigError, match="preset 'dmeo' not found"):
        up(platform, "dmeo")
    assert not platform.home.exists()


def test_what_runs_with_other_settings_is_named(platform: Platform) -> None:
    _start(platform, "server", (*_SLEEPS, "--port", "4321"), os.environ)
    try:
        with pytest.raises(
            ConfigError, match=r"the server runs already, as `.* 4321`, not as .*; end it with"
        ):
            up(platform)
    finally:
        down(platform)


def test_a_port_that_is_let_go_in_a_moment_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that was killed still holds its port while it dies."""
    monkeypatch.setattr("deploy.local._PORT_PATIENCE_S", 12 * _PORT_PATIENCE_S)
    with socket.socket() as dying:
        dying.bind(("127.0.0.1", 0))
        dying.listen()
        port = dying.getsockname()[1]
        with ThreadPoolExecutor(1) as other:
            waiting = other.submit(_require_free, "server", port)
            time.sleep(0.5)
            assert not waiting.done()
            dying.close()
            waiting.result(60)


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (None, ROOT / "artifacts"),
        ("elsewhere", ROOT / "elsewhere"),
        ("/data/artifacts", Path("/data/artifacts")),
    ],
)
def test_the_reports_port_serves_what_the_runs_write(
    named: str | None, expected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTMD_ARTIFACTS", named or "")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["deploy.local", "up"])
    seen: list[Path] = []
    monkeypatch.setattr("deploy.local.up", lambda platform, _: seen.append(platform.artifacts))
    assert main() == 0
    assert seen == [expected]


def test_a_server_that_ends_instead_of_answering_is_named_with_its_log(platform: Platform) -> None:
    _start(platform, "server", (sys.executable, "-c", "raise SystemExit(3)"), os.environ)
    with pytest.raises(ConfigError, match=r"server does not answer at http://127\.0\.0\.1:1/.*server\.log"):
        _await(platform, "server", "http://127.0.0.1:1/")


def test_a_server_that_is_started_again_knows_which_runs_hold_slots(platform: Platform) -> None:
    """Prefect ends a run of a deployment whose slot the server does not know."""
    platform = replace(platform, port=free_port())
    try:
        _serve(platform)
        limits, lasting = "/v2/concurrency_limits", {"lease_duration": 300}
        _ask(platform, f"{limits}/", name="of-a-deployment", limit=1)
        slot = {"names": ["of-a-deployment"], "slots": 1, "mode": "concurrency"}
        lease = _ask(platform, f"{limits}/increment-with-lease", **slot, **lasting)["lease_id"]
        down(platform)
        _serve(platform)
        assert _ask(platform, f"{limits}/leases/{lease}/renew", **lasting) is None
    finally:
        down(platform)


def _serve(platform: Platform) -> None:
    listen = ("--host", "127.0.0.1", "--port", str(platform.port))
    _start(platform, "server", (_PREFECT, "server", "start", *listen), platform.server_environment)
    _await(platform, "server", f"{platform.api}/health")


def _ask(platform: Platform, path: str, **body: Any) -> Any:
    """What the server answers to a POST; raises HTTPError where it refuses."""
    request = urllib.request.Request(
        f"{platform.api}{path}", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    return answered(request)


def test_the_server_has_the_shells_settings_of_a_server_and_its_clients_have_not(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = "postgresql+asyncpg://prefect:secret@db.internal:5432/prefect"
    monkeypatch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", address)
    assert platform.server_environment["PREFECT_SERVER_DATABASE_CONNECTION_URL"] == address
    assert "PREFECT_SERVER_DATABASE_CONNECTION_URL" not in platform.environment
