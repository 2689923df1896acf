"""Where the flows' parallel parts run: on this machine, or on the workers of a Dask or Ray cluster.

The environment variable MTMD_RUNNER chooses: `threads` (the default) is this machine alone. MTMD_CLUSTER is the address
of a cluster that is running; without it one is started on this machine, and stopped at the end. Whatever runs them,
tasks get the same plan and exchange paths and digests, so outputs are the same.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from importlib.util import find_spec
from typing import Any, Literal, get_args

from prefect.settings import PREFECT_API_URL
from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner

from mtmd.errors import ConfigError

RUNNER = "MTMD_RUNNER"
CLUSTER = "MTMD_CLUSTER"

Kind = Literal["threads", "dask", "ray"]

_PATIENCE_S = 60
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


def chosen() -> Kind:
    """The runner that MTMD_RUNNER names.

    Raises ConfigError where it names none, where its extra is not installed, or where its workers would find no server.
    """
    kind = "threads" if _inside.get() else os.environ.get(RUNNER) or "threads"
    if kind not in get_args(Kind):
        raise ConfigError(f"{RUNNER} ({kind!r}) must be one of {', '.join(get_args(Kind))}")
    if kind == "threads":
        return "threads"
    if find_spec(f"prefect_{kind}") is None:
        raise ConfigError(f"{RUNNER} ({kind!r}) needs prefect-{kind}; pip install 'mtmd[{kind}]' brings it")
    if not PREFECT_API_URL.value():
        raise ConfigError(
            f"{RUNNER} ({kind!r}) needs a Prefect server that all workers reach, and PREFECT_API_URL is not set; start "
            "a server, then set it to the address of its API, such as http://server:4200/api"
        )
    return kind  # type: ignore[return-value]  # it is one of them


@contextmanager
def _started(here: TaskRunner[Any], processes: int) -> Iterator[TaskRunner[Any]]:
    """The chosen runner, started; a cluster that is started for it has so many processes."""
    kind, address = chosen(), os.environ.get(CLUSTER) or None
    with {"threads": lambda *_: here, "dask": _dask, "ray": _ray}[kind](address, processes) as runner:
        if kind == "dask":
            _require_single_threads(runner)
        yield runner


def _dask(address: str | None, processes: int) -> Any:
    from prefect_dask import DaskTaskRunner  # noqa: PLC0415 - an extra

    if address is not None:
        return DaskTaskRunner(address=address)
    own = {"n_workers": processes, "threads_per_worker": 1, "dashboard_address": None}
    return DaskTaskRunner(cluster_kwargs=own)


def _ray(address: str | None, processes: int) -> Any:
    from prefect_ray import RayTaskRunner  # noqa: PLC0415 - an extra

    if address is not None:
        return RayTaskRunner(address=address)
    return RayTaskRunner(init_kwargs={"num_cpus": processes, "include_dashboard": False})


def _require_single_threads(runner: Any) -> None:
    """Trainings in threads of one process would share a random generator, and come out otherwise each time.

    Workers that join later are not looked at.
    """
    try:
        runner.client.wait_for_workers(1, timeout=_PATIENCE_S)
    except TimeoutError as error:
        raise ConfigError(
            f"no worker has joined the Dask cluster within {_PATIENCE_S} s; start some"
        ) from error
    if wrong := {worker: threads for worker, threads in runner.client.nthreads().items() if threads != 1}:
        raise ConfigError(
            f"each worker of the Dask cluster must have one thread, and these have more: {wrong}; start them with "
            "`dask worker --nthreads 1 --nworkers …`"
        )
