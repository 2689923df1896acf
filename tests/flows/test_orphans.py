"""The temporary server of a killed command, without Prefect: a process that looks like one; and a backfill's pool."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mtmd.flows.orphans import SERVER

ROOT = Path(__file__).parents[2]
# A command that starts a server, and one that is none, says their ids, and waits. Its own arguments don't name the
# server: a process that it starts has them until it becomes another program.
COMMAND = """
import os, subprocess, sys, time
from mtmd.flows.orphans import watch_over
sleep = [sys.executable, "-c", "import time; time.sleep(300)"]
sys.executable = sys.argv[1]
watcher = watch_over(os.getpid())
children = [subprocess.Popen([*sleep, *more]) for more in ([os.environ["NAMED"]], [])]
print(watcher.pid, *(child.pid for child in children), flush=True)
time.sleep(300)
"""
# A pool that has tried a day of a backfill, as Prefect's does it, says its process, and waits for another day.
POOL = """
import multiprocessing, sys, time
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from mtmd.flows.backfill import retrain_day

pytestmark = pytest.mark.slow
def a_day():
    retrain_day.fn(date(2026, 1, 25), {"unknown": 0})
if __name__ == "__main__":
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        error = pool.submit(a_day).exception()
        print(type(error).__name__, *pool._processes, flush=True)
        time.sleep(300)
"""
# A program, as of `python -m`, that adds a line to a file whenever it sleeps.
LOOKER = """
import runpy, sys, time
_, looks, _, module, *sys.argv[1:] = sys.argv
sleep = time.sleep
def noted(seconds):
    with open(looks, "a") as file:
        file.write("slept\\n")
    sleep(seconds)
time.sleep = noted
runpy.run_module(module, run_name="__main__")
"""


@pytest.fixture
def looks(tmp_path: Path) -> Path:
    """A file with a line for each look of the watcher."""
    (tmp_path / "looks").touch()
    return tmp_path / "looks"


@pytest.fixture
def started(looks: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {shlex.join((sys.executable, "-c", LOOKER, str(looks)))} "$@"\n')
    python.chmod(0o700)
    command, environment = [sys.executable, "-c", COMMAND, str(python)], os.environ | {"NAMED": SERVER}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        others = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
        yield process, others
        process.kill()
        for other in others:
            if other.is_running():
                other.kill()


def test_the_server_of_a_killed_command_is_ended_and_nothing_else(
    started: tuple[subprocess.Popen[str], list[psutil.Process]], looks: Path
) -> None:
    process, (watcher, server, other) = started
    until, before = time.monotonic() + 60, len(looks.read_text().splitlines())
    while len(looks.read_text().splitlines()) < before + 2:  # the server was there before the second look
        assert time.monotonic() < until
        time.sleep(0.05)
    assert server.is_running()
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=60)
    gone, _ = psutil.wait_procs([server, watcher], timeout=60)
    assert len(gone) == 2
    assert other.is_running()


def test_a_process_of_a_killed_backfill_ends(tmp_path: Path) -> None:
    (tmp_path / "pool.py").write_text(POOL)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(tmp_path / "pool.py")]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        process.kill()
    error, pid = said.split()
    child = psutil.Process(int(pid))
    try:
        assert error == "ParameterBindError"
        child.wait(timeout=30)
    finally:
        if child.is_running():
            child.kill()
