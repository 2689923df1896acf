"""What `make up` does beside `prefect.yaml`: the work pool, its queues, and the preset of deployments.

It asks the server itself: each command of Prefect's own is a process that spends seconds on its imports.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from httpx import HTTPError
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.variables import Variable
from prefect.workers.process import ProcessWorker

from mtmd.config import load_preset
from mtmd.errors import ConfigError
from mtmd.flows.preset_variable import VARIABLE, chosen


@contextmanager
def _server(api: str) -> Iterator[SyncPrefectClient]:
    """A client of the server at `api`. Raises ConfigError when the server does not answer, or refuses."""
    try:
        with temporary_settings({PREFECT_API_URL: api}), get_client(sync_client=True) as client:
            yield client
    except (HTTPError, PrefectException) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ConfigError(
            f"the Prefect server at {api} does not answer, or refuses ({reason}); see server.log in .platform, "
            "then run `make up` again"
        ) from error


def choose_preset(api: str, preset: str | None) -> str:
    """Set the Prefect variable that names the deployments' preset, unless None; says which preset they get.

    Raises ConfigError for a name, given or there already, that is no preset's, and as `require_pool` does.
    """
    if preset is not None:
        load_preset(preset)
    with _server(api):
        if preset is not None:
            Variable.set(VARIABLE, preset, overwrite=True)
        name = chosen()["name"]
    return f"preset: {name} (the Prefect variable {VARIABLE})"


def require_pool(api: str, pool: str) -> None:
    """Create the pool that deployments run in, a `process` pool, unless there is one of this name: as
    `prefect work-pool create` does.

    Raises ConfigError when the server does not answer, or refuses.
    """
    with _server(api) as client:
        try:
            client.read_work_pool(pool)
        except ObjectNotFound:
            template = ProcessWorker.get_default_base_job_template()
            client.create_work_pool(
                WorkPoolCreate(name=pool, type=ProcessWorker.type, base_job_template=template)
            )


def limit_queue(api: str, pool: str, queue: str, limit: int) -> None:
    """Let so many runs of a queue run at once: as `prefect work-queue set-concurrency-limit` does.

    Raises ConfigError as `require_pool` does, and for a queue that is not there.
    """
    with _server(api) as client:
        client.request(
            "PATCH",
            "/work_pools/{work_pool_name}/queues/{name}",
            path_params={"work_pool_name": pool, "name": queue},
            json={"concurrency_limit": limit},
        )


def pause_all(api: str) -> None:
    """Pause every deployment of the server: no schedule starts a run of it, people still can.

    Raises ConfigError as `require_pool` does.
    """
    with _server(api) as client:
        for deployment in client.read_deployments():
            client.pause_deployment(deployment.id)
