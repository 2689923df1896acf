"""Where the flows' parallel parts run: on this machine, or on a cluster that the extra `clusters` knows.

The environment variable MTMD_RUNNER chooses: `threads` (the default) is this machine alone. The extra's seam `runner`
has `require(kind, setting)` and `started(kind, processes)` for other names.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from types import ModuleType
from typing import Any, TypeVar, cast

from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner
from prefect.utilities.annotations import opaque

from mtmd import extension

_Value = TypeVar("_Value")
RUNNER = "MTMD_RUNNER"
HERE = "threads"

_DAYS = 4  # extracted side by side; each holds its matrices
_inside: ContextVar[bool] = ContextVar("inside a cluster's worker", default=False)


def of_days() -> AbstractContextManager[TaskRunner[Any]]:
    """For the days of a window. Raises ConfigError like `chosen`."""
    return _started(ThreadPoolTaskRunner(_DAYS), min(_DAYS, os.cpu_count() or 1))


def of_trainings() -> AbstractContextManager[TaskRunner[Any]]:
    """For trainings that do not need each other; on one machine one after the other, since each takes all of it."""
    return _started(ThreadPoolTaskRunner(1), os.cpu_count() or 1)


def of_runs(at_once: int) -> AbstractContextManager[TaskRunner[Any]]:
    """For runs of the daily flow, each in a process of its own: threads of one would share a random generator."""
    return _started(ProcessPoolTaskRunner(at_once), at_once)


@contextmanager
def on_this_machine() -> Iterator[None]:
    """What runs inside stays in this process: a cluster's worker that waited for the others would block them."""
    before = _inside.set(True)
    try:
        yield
    finally:
        _inside.reset(before)


def chosen() -> str:
    """The runner that MTMD_RUNNER names. Raises ConfigError where it can't be had."""
    kind = HERE if _inside.get() else os.environ.get(RUNNER) or HERE
    if kind != HERE:
        _clusters(kind).require(kind, RUNNER)
    return kind


def _clusters(kind: str) -> ModuleType:
    return extension.required("clusters", "runner", f"{RUNNER} ({kind!r})")


@contextmanager
def _started(here: TaskRunner[Any], processes: int) -> Iterator[TaskRunner[Any]]:
    """The chosen runner, started."""
    kind = chosen()
    with here if kind == HERE else _clusters(kind).started(kind, processes) as runner:
        yield runner


def whole(value: _Value) -> _Value:
    """An argument of a task that is handed on as it is, with the link to the task that returned it.

    Prefect looks into every number of any other argument, twice, for results of other tasks. That took a second of a
    run whose outputs were all there.
    """
    return cast(_Value, opaque(value))
