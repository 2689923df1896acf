"""What `make up` does to deployments beside `prefect.yaml`: their preset, and what earlier versions deployed."""

from collections.abc import Iterator
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.client.schemas.responses import DeploymentResponse
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.variables import Variable

from mtmd.config import load_preset
from mtmd_flows.preset_variable import VARIABLE, chosen

_FORMER_NAMES = ("daily", "manual", "weekly")  # of every flow's deployment, before each was named as its flow


def choose_preset(api: str, preset: str | None) -> str:
    """Set the Prefect variable that names the deployments' preset, unless None; says which preset they get.

    Raises ConfigError for a name, given or there already, that is no preset's.
    """
    if preset is not None:
        load_preset(preset)
    with temporary_settings({PREFECT_API_URL: api}):
        if preset is not None:
            Variable.set(VARIABLE, preset, overwrite=True)
        name = chosen()["name"]
    return f"preset: {name} (the Prefect variable {VARIABLE})"


def pause_former(api: str, root: Path) -> Iterator[str]:
    """Pause this checkout's deployments of former names, so that no schedule runs twice; yields a line for each.

    They are not removed: a run of one may be waiting or running.
    """
    with temporary_settings({PREFECT_API_URL: api}), get_client(sync_client=True) as client:
        for deployment in client.read_deployments():
            if not _is_former(deployment, root):
                continue
            flow = client.read_flow(deployment.flow_id).name
            client.pause_deployment(deployment.id)
            old = f"{flow}/{deployment.name}"
            yield (
                f"deployment {old}: paused, {flow}/{flow} stands for it; remove it when none of its runs is going on: "
                f"`prefect deployment delete {old}`"
            )


def _is_former(deployment: DeploymentResponse, root: Path) -> bool:
    """Ours by tag and by folder: other checkouts and projects may deploy to the same server."""
    steps = [step for one in deployment.pull_steps or () for step in one.values()]
    folders = [step.get("directory") for step in steps if isinstance(step, dict)]  # a step may have no inputs
    return deployment.name in _FORMER_NAMES and "mtmd" in deployment.tags and str(root) in folders
