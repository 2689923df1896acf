"""Ends what a process that was killed would leave: its temporary server, and processes that run days of a backfill.

For the server: python -m mtmd.flows.orphans PID, beside the command.

Prefect starts such a server where none is configured, and stops it when the command ends by itself. A command that is
killed can't, and its server would run for ever. This process looks on, remembers the servers that the command has
started, and ends them once the command is gone.
"""

import multiprocessing
import os
import subprocess
import sys
import time
from contextlib import suppress
from functools import cache
from threading import Thread

import psutil

SERVER = "prefect.server.api.server:create_app"
_LOOK_S, _PATIENCE_S = 0.5, 5.0


def watch_over(pid: int) -> "subprocess.Popen[bytes]":
    """Start the process that looks on; it ends with the command."""
    command = [sys.executable, "-m", "mtmd.flows.orphans", str(pid)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)  # not ended by Ctrl-C


def end_orphans(pid: int) -> None:
    """Wait for the end of a process, then end the servers that it started and left."""
    servers: set[psutil.Process] = set()
    with suppress(psutil.NoSuchProcess):
        command = psutil.Process(pid)
        while command.is_running() and command.status() != psutil.STATUS_ZOMBIE:
            servers.update(child for child in command.children() if is_server(child))
            time.sleep(_LOOK_S)
    for server in servers:
        with suppress(psutil.NoSuchProcess):
            server.terminate()
    for server in psutil.wait_procs(servers, _PATIENCE_S)[1]:
        with suppress(psutil.NoSuchProcess):
            server.kill()


@cache  # once for each process
def end_with_parent() -> None:
    """Let this process of a pool end when the process that started the pool has ended, such as by the kernel.

    It would wait for its next task for ever, and keep its memory. Files are written whole, so none is left half.
    """
    if (parent := multiprocessing.parent_process()) is not None:

        def watch() -> None:
            parent.join()
            os._exit(1)

        Thread(target=watch, name="parent", daemon=True).start()


def is_server(process: psutil.Process) -> bool:
    """Whether this is a temporary server of Prefect's."""
    try:
        return SERVER in process.cmdline()
    except psutil.Error:
        return False


if __name__ == "__main__":
    end_orphans(int(sys.argv[1]))
