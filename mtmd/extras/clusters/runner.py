"""The seam `runner`: Dask and Ray as task runners of the flows.

MTMD_CLUSTER is the address of a cluster that is running. Without it a cluster is started on this machine, and stopped
at the end. Tasks get the same plan as on this machine, and exchange paths and digests, so outputs are the same.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from prefect.settings import PREFECT_API_URL
from prefect.task_runners import TaskRunner

from mtmd.errors import ConfigError
from mtmd.extension import library

CLUSTER = "MTMD_CLUSTER"
_PATIENCE_S = 60


def require(kind: str, setting: str) -> None:
    """Raise ConfigError where the runner is unknown or not installed, or its workers would find no Prefect server."""
    if kind not in _MADE:
        raise ConfigError(f"{setting} ({kind!r}) must be one of {', '.join(('threads', *_MADE))}")
    if find_spec(f"prefect_{kind}") is None:
        raise ConfigError(f"{setting} ({kind!r}) needs prefect-{kind}; pip install 'mtmd[{kind}]' brings it")
    if not PREFECT_API_URL.value():
        raise ConfigError(
            f"{setting} ({kind!r}) needs a Prefect server that all workers reach, and PREFECT_API_URL is not set; "
            "start a server, then set it to the address of its API, such as http://server:4200/api"
        )


@contextmanager
def started(kind: str, processes: int) -> Iterator[TaskRunner[Any]]:
    """A runner that `require` has accepted; a cluster that is started for it has this many processes."""
    with _MADE[kind](os.environ.get(CLUSTER) or None, processes) as runner:
        if kind == "dask":
            _require_single_threads(runner)
        yield runner


def _dask(address: str | None, processes: int) -> Any:
    runner = library("prefect_dask", "dask", "runs flows on Dask").DaskTaskRunner
    if address is not None:
        return runner(address=address)
    local = {"n_workers": processes, "threads_per_worker": 1, "dashboard_address": None}
    return runner(cluster_kwargs=local)


def _ray(address: str | None, processes: int) -> Any:
    runner = library("prefect_ray", "ray", "runs flows on Ray").RayTaskRunner
    if address is not None:
        return runner(address=address)
    return runner(init_kwargs={"num_cpus": processes, "include_dashboard": False})


_MADE: dict[str, Callable[[str | None, int], Any]] = {"dask": _dask, "ray": _ray}


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
