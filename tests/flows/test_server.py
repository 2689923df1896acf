"""The temporary server; `test_command.py` runs a flow with one, and `test_kill.py` ends one at Ctrl-C."""

import subprocess
import sys
import time

import psutil
import pytest

from mtmd.errors import ConfigError
from mtmd.flows import server
from tests.flows.runs import ROOT


def test_a_server_ends_with_a_client_that_is_killed() -> None:
    script = "from mtmd.flows import server; print(server._started()[0].pid, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdin=-1, stdout=-1) as client:
        assert client.stdout is not None
        number = int(client.stdout.readline())
        assert psutil.pid_exists(number)
        client.kill()
    deadline = time.monotonic() + 60
    while psutil.pid_exists(number) and psutil.Process(number).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_server_that_no_run_takes_ends_before_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as that of a command which is refused. Python would warn of a process that still runs."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    script = "from mtmd.flows import server; server.begin(); print(server._begun[0][0].pid)"
    done = subprocess.run(
        [sys.executable, "-Werror", "-c", script], cwd=ROOT, capture_output=True, check=True
    )
    assert (done.stderr, psutil.pid_exists(int(done.stdout))) == (b"", False)


def test_a_server_that_does_not_start_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.sys, "executable", "/bin/false")
    with pytest.raises(ConfigError, match="a temporary Prefect server did not answer"), server.own_server():
        pytest.fail("it says that it answers")
