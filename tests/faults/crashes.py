"""Processes that a signal ends between two steps of writing.

What is written becomes durable by fsync and appears by rename. So a process that dies before each of these calls, one
after the other, has died at every boundary: before a file is durable, between files and manifest, between pointer and
history. The calls are counted in a process of its own, which runs the job as anyone would.
"""

import itertools
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

from tests.faults.line import Fault, Line

GROUP = "killed processes"
Call = Literal["rename", "fsync"]
_STOPS = {"rename": 14, "fsync": 42}  # of the last stages; a stop that is never reached fails its fault
_WHOLE_DAY = 129  # calls of fsync
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["benchmarks.plain_job"])


def faults() -> Iterator[Fault]:
    """SIGKILL before each call of the last stages, other signals at some, and moments of a whole day."""
    for call, stops in _STOPS.items():
        for number in range(1, stops + 1):
            name = f"SIGKILL before {call} {number} of export, proofs, decision, ads and page"
            yield _fault(
                name, Line.undo_decision, call, number, signal.SIGKILL, call == "rename" and number == 8
            )
    for number, signum in zip(range(3, 44, 4), [signal.SIGTERM, signal.SIGINT] * 5, strict=False):
        name = f"{signum.name} before fsync {number} of export, proofs, decision, ads and page"
        yield _fault(name, Line.undo_decision, "fsync", number, signum, False)
    for number in range(5, _WHOLE_DAY, 9):
        name = f"SIGKILL before fsync {number} of a whole day"
        yield _fault(name, Line.undo_day, "fsync", number, signal.SIGKILL, False)


def _fault(
    name: str, undo: Callable[[Line], None], call: str, number: int, signum: signal.Signals, quick: bool
) -> Fault:
    return Fault(GROUP, name, "healed", partial(_strike, undo, call, number, signum), quick=quick)


def _strike(undo: Callable[[Line], None], call: str, number: int, signum: signal.Signals, line: Line) -> None:
    undo(line)
    process = CONTEXT.Process(target=_run_until, args=(line, call, number, signum))
    process.start()
    process.join(600)
    expected = 1 if signum == signal.SIGINT else -signum  # Python turns SIGINT into an exception
    assert process.exitcode == expected, f"the job ended with {process.exitcode}, not by {signum.name}"


def _run_until(line: Line, call: str, number: int, signum: signal.Signals) -> None:
    """The daily job of a process that gets a signal before its n-th call."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    line.look_at_logs()  # whose digests are stored before anything else, a call or two for each day
    calls = [call] if call == "fsync" else ["rename", "replace"]
    numbers = itertools.count(1)  # one step of the interpreter: threads share it
    for name in calls:
        setattr(os, name, partial(_counted, getattr(os, name), numbers, number, signum))
    line.daily()


def _counted(
    original: Callable[..., object],
    numbers: Iterator[int],
    fatal: int,
    signum: signal.Signals,
    *given: object,
) -> object:
    if next(numbers) == fatal:
        os.kill(os.getpid(), signum)
        time.sleep(30)  # a signal that a handler takes reaches this thread soon
    return original(*given)
