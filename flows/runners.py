"""Where the flows' parallel parts run: on this machine, or on a cluster that the extra `clusters` knows.

The environment variable MTMD_RUNNER chooses: `threads` (the default) is this machine alone. The extra's seam `runner`
has `require(kind, setting)` and `started(kind, processes)` for other names.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import ModuleType
from typing import Any

from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from mtmd import extension

RUNNER = "MTMD_RUNNER"
HERE = "threads"

_DAYS = 4  # extracted side by side; each holds its matrices


def of_days() -> AbstractContextManager[TaskRunner[Any]]:
    """For the days of a window. Raises ConfigError like `chosen`."""
    return _started(ThreadPoolTaskRunner(_DAYS), min(_DAYS, os.cpu_count() or 1))


def of_trainings() -> AbstractContextManager[TaskRunner[Any]]:
    """For trainings that do not need each other; on one machine one after the other, since each takes all of it."""
    return _started(ThreadPoolTaskRunner(1), os.cpu_count() or 1)


def chosen() -> str:
    """The runner that MTMD_RUNNER names. Raises ConfigError where it can't be had."""
    kind = os.environ.get(RUNNER) or HERE
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
