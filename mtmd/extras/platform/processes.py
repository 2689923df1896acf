"""Processes that outlive the command that started them, each with a record of which process it is.

A record has the process id and the time the process started, because an id alone may be another process's by now.
"""

import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from mtmd.store.files import read_json, write_json

_PATIENCE_S = 20.0
_LOOK_S = 0.05
_CLOCK_S = 2.0  # the start is known from the time since boot: a corrected clock moves it a little
_children: "list[subprocess.Popen[bytes]]" = []  # dropping a Popen while its process runs is a warning


def start(
    record: Path, command: Sequence[str], *, cwd: Path, environment: Mapping[str, str]
) -> psutil.Process:
    """Start a process in a session of its own, with its output in `<record>.log` beside the record.

    It takes SIGINT, which what a script starts as `command &` ignores: a Prefect worker ends by sending it to itself.
    """
    record.parent.mkdir(parents=True, exist_ok=True)
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        with record.with_suffix(".log").open("ab") as log:
            child = subprocess.Popen(
                command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
    finally:
        signal.signal(signal.SIGINT, before)
    _children.append(child)
    process = psutil.Process(child.pid)
    write_json(record, {"pid": process.pid, "created": process.create_time()})
    return process


def recorded(record: Path) -> psutil.Process | None:
    """The process of a record, or None when there is no record or that process has ended."""
    if not record.is_file():
        return None
    known = read_json(record)
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(int(known["pid"]))
        same = abs(process.create_time() - float(known["created"])) < _CLOCK_S
        if same and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


def end(process: psutil.Process) -> None:
    """Ask a process to end, then kill what is left of it and of all that it started."""
    with suppress(psutil.NoSuchProcess):
        # Listed first: a child whose parent has ended is nobody's child, and a flow run is a session of its own.
        family = [process, *process.children(recursive=True)]
        process.terminate()
        await_end([process], _PATIENCE_S)
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        await_end(family, _PATIENCE_S)
    for child in _children:
        child.poll()


def await_end(processes: Iterable[psutil.Process], patience_s: float) -> list[psutil.Process]:
    """Wait for processes to end; returns those that did not.

    A zombie has ended: whoever adopted it may collect it never, as the first process of a container does.
    """
    deadline, alive = time.monotonic() + patience_s, list(processes)
    while (alive := [one for one in alive if _is_alive(one)]) and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
    return alive


def _is_alive(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        if process.status() != psutil.STATUS_ZOMBIE:
            return process.is_running()
        with suppress(psutil.TimeoutExpired):
            process.wait(timeout=0)  # collects it where it is a child of this process
    return False
