"""Clocks that are wrong: between two runs, within one, and while a clean-up looks at what is old.

The machine's own clock stays as it is. What it would have left is made: the times of files, and what Python's `time`
says. Nothing is decided by the times in records, which are for people.
"""

import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from unittest.mock import patch

from mtmd.config import load_preset
from mtmd.jobs.clean_up import clean_up, plan_clean_up
from mtmd.store.workspace import Workspace
from tests.faults.fault import Fault
from tests.faults.line import Line
from tests.flows.runs import TINY

GROUP = "clocks"
_JUMPS = {"a day ahead": 86_400.0, "an hour behind": -3_600.0, "that begins in 1970": -time.time()}
_CALLS = (2, 9)  # of `replace` and `rename`, in the last stages


def faults() -> Iterator[Fault]:
    """Each jump, seen from a run before and after it, and from a run in which it happens."""
    for words, seconds in _JUMPS.items():
        written = partial(_written_by, seconds)
        name = f"logs and artifacts were written by a clock {words}"
        yield Fault(GROUP, name, "harmless", written, quick=words == "a day ahead")
        for number in _CALLS:
            name = f"a clock {words} from rename {number} of export, proofs, decision, ads and page on"
            yield Fault(GROUP, name, "harmless", partial(_jump, seconds, number))
        yield Fault(GROUP, f"a clean-up by a clock {words}", "harmless", partial(_clean_up, seconds))


def _written_by(seconds: float, line: Line) -> None:
    for path in chain(line.artifacts.rglob("*"), line.logs.rglob("*")):
        _shift(path, seconds)


def _jump(seconds: float, number: int, line: Line) -> None:
    """The last stages, in which the clock jumps before the n-th call."""
    line.undo_decision()
    called = 0

    def counted(original: Callable[..., object], source: Path, target: Path) -> object:
        nonlocal called
        called += 1
        if called >= number and isinstance(source, str | Path):
            for path in (Path(source), *Path(source).rglob("*")):
                _shift(path, seconds)
        return original(source, target)

    now = time.time

    def shown() -> float:
        return now() + (seconds if called >= number else 0.0)

    renames = [patch.object(os, name, partial(counted, getattr(os, name))) for name in ("rename", "replace")]
    with renames[0], renames[1], patch.object(time, "time", shown):
        line.daily()
    assert called >= number, f"there were {called} calls"


def _clean_up(seconds: float, line: Line) -> None:
    workspace = Workspace(line.root)
    plan = plan_clean_up(workspace, load_preset(TINY).retention, time.time() + seconds)
    clean_up(workspace, plan, lambda _: None)


def _shift(path: Path, seconds: float) -> None:
    status = path.stat()
    os.utime(path, (max(0.0, status.st_atime + seconds), max(0.0, status.st_mtime + seconds)))
