"""A process is known by its id and its start; what it started ends with it."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mtmd.extras.platform.processes import await_end, end, recorded, start
from mtmd.store.files import read_json, write_json

_SLEEPS = (sys.executable, "-c", "import time; time.sleep(60)")


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[psutil.Process]:
    process = start(tmp_path / "sleeper.json", _SLEEPS, cwd=tmp_path, environment=os.environ)
    yield process
    end(process)


def test_a_process_that_took_over_a_recorded_id_is_another(tmp_path: Path, sleeper: psutil.Process) -> None:
    record = tmp_path / "sleeper.json"
    write_json(record, read_json(record) | {"created": sleeper.create_time() - 60})
    assert recorded(record) is None


def test_a_process_takes_sigint_though_its_starter_ignores_it(tmp_path: Path) -> None:
    """As `make up &` in a script does; a Prefect worker could not end."""
    waits = "import signal; print('here', flush=True); signal.pause()"
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = start(
            tmp_path / "waiter.json", (sys.executable, "-c", waits), cwd=tmp_path, environment=os.environ
        )
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        while (tmp_path / "waiter.log").read_text() != "here\n":
            assert recorded(tmp_path / "waiter.json") is not None
        process.send_signal(signal.SIGINT)
        assert await_end([process], 60) == []
    finally:
        end(process)


@pytest.mark.parametrize("session", ["", ", start_new_session=True"])  # a worker's flow runs have their own
def test_what_a_process_started_ends_with_it(tmp_path: Path, session: str) -> None:
    spawn = f"subprocess.Popen({_SLEEPS!r}{session})"
    code = f"import subprocess, time; child = {spawn}; print(child.pid, flush=True); time.sleep(60)"
    parent = start(
        tmp_path / "parent.json", (sys.executable, "-c", code), cwd=tmp_path, environment=os.environ
    )
    log = tmp_path / "parent.log"
    while not log.read_text().endswith("\n"):
        assert recorded(tmp_path / "parent.json") is not None
        time.sleep(0.02)
    child = psutil.Process(int(log.read_text()))
    end(parent)
    assert await_end([child], 60) == []
