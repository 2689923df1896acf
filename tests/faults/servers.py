"""The worker or the server of `make up` killed while a day's run goes on, and both started again.

The run is a process of its own, which the worker started and the server hears from. It comes to its end or it does not,
as the case may be; what it leaves must be what the next run goes on from.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Literal

import psutil
import torch

from mtmd.extras.platform.local import Platform, down, up
from tests.extras.platform.deployed import Deployed, family_of
from tests.faults.line import Fault, Line
from tests.flows.runs import NEXT
from tests.prefect_server import free_port

GROUP = "server and worker"
_PATIENCE_S = 900.0
_REACHED = {"while days are validated": "validation/date=*/*.json", "while models are trained": "work/*"}


def faults() -> Iterator[Fault]:
    """Each of the two, at two stages of the run."""
    for name in ("worker", "server"):
        for words, pattern in _REACHED.items():
            strike = partial(_killed, name, pattern)
            yield Fault(GROUP, f"SIGKILL of the {name} {words}", "healed", strike)


def _killed(name: Literal["worker", "server"], pattern: str, line: Line) -> None:
    line.undo_day()
    before = set(line.root.glob(pattern))
    home = line.artifacts.parent / "platform"
    platform = Platform(home, free_port(), free_port(), line.artifacts)
    os.environ["PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED"] = "false"  # no run by the clock
    up(platform)
    try:
        deployed = Deployed(platform, line.logs)
        threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}  # those of the next run: the same bits
        run = deployed.start("daily_retrain", threads, as_of=str(NEXT), ablations=False)
        _await(lambda: set(line.root.glob(pattern)) - before)
        process = psutil.Process(_process_of(platform, run))
        victim = psutil.Process(family_of(platform, name)[0])
        victim.kill()
        victim.wait(60)  # this process started it: it would stay as a zombie, and count as running
        up(platform)  # starts what is missing
        _await(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
    finally:
        down(platform)
        del os.environ["PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED"]


def _process_of(platform: Platform, run: str) -> int:
    """The process of a flow run, as the worker started it; it has the run's id in its environment."""
    for pid in family_of(platform, "worker"):
        with suppress(psutil.NoSuchProcess):  # ended meanwhile, or a zombie
            if psutil.Process(pid).environ().get("PREFECT__FLOW_RUN_ID") == run:
                return pid
    raise AssertionError(f"no process of the worker is that of run {run}")


def _await(reached: Callable[[], object]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.05)
