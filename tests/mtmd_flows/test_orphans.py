"""The temporary server of a killed command, without Prefect: a process that looks like one."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mtmd_flows.orphans import SERVER

ROOT = Path(__file__).parents[2]
# A command that starts a server, and one that is none, says their ids, and waits.
COMMAND = """
import os, subprocess, sys, time
from mtmd_flows.orphans import watch_over
sleep = [sys.executable, "-c", "import time; time.sleep(300)"]
watcher = watch_over(os.getpid())
children = [subprocess.Popen([*sleep, *more]) for more in ([sys.argv[1]], [])]
print(watcher.pid, *(child.pid for child in children), flush=True)
time.sleep(300)
"""


@pytest.fixture
def started() -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    command = [sys.executable, "-c", COMMAND, SERVER]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        others = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
        yield process, others
        process.kill()
        for other in others:
            if other.is_running():
                other.kill()


def test_the_server_of_a_killed_command_is_ended_and_nothing_else(
    started: tuple[subprocess.Popen[str], list[psutil.Process]],
) -> None:
    process, (watcher, server, other) = started
    until = time.monotonic() + 60  # the watcher has looked once
    while time.monotonic() < until and "mtmd_flows.orphans" not in " ".join(watcher.cmdline()):
        time.sleep(0.1)
    time.sleep(2)
    assert server.is_running()
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=60)
    gone, _ = psutil.wait_procs([server, watcher], timeout=60)
    assert len(gone) == 2
    assert other.is_running()
