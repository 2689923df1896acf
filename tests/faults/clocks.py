"""Clocks that are wrong, before a run and while a clean-up looks at what is old.

The machine's own clock stays as it is. What it would have left is made: the times of files. Nothing is decided by the
times in records, which are for people.
"""

import os
import time
from collections.abc import Iterator
from functools import partial
from itertools import chain

from mtmd.config import load_preset
from mtmd.jobs.clean_up import clean_up
from mtmd.store.workspace import Workspace
from tests.faults.line import Fault, Line
from tests.flows.runs import TINY

GROUP = "clocks"
_JUMPS = {"a day ahead": 86_400.0, "an hour behind": -3_600.0, "that begins in 1970": -time.time()}


def faults() -> Iterator[Fault]:
    for words, seconds in _JUMPS.items():
        name, written = f"logs and artifacts were written by a clock {words}", partial(_written_by, seconds)
        yield Fault(GROUP, name, "harmless", written, quick=words == "a day ahead")
        yield Fault(GROUP, f"a clean-up by a clock {words}", "harmless", partial(_clean_up, seconds))


def _written_by(seconds: float, line: Line) -> None:
    for path in chain(line.artifacts.rglob("*"), line.logs.rglob("*")):
        status = path.stat()
        os.utime(path, (max(0.0, status.st_atime + seconds), max(0.0, status.st_mtime + seconds)))


def _clean_up(seconds: float, line: Line) -> None:
    _written_by(-seconds, line)
    clean_up(Workspace(line.root), load_preset(TINY).retention, dry_run=False)
