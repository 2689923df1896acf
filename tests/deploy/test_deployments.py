"""What `make up` does to deployments beside prefect.yaml."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.schedules import CronSchedule
from prefect.variables import Variable

from deploy.deployments import choose_preset, limit_queue, pause_former, require_pool
from mtmd.errors import ConfigError
from mtmd.flows.preset_variable import VARIABLE
from tests.flows.deployed import free_port


@flow(name="nightly-look", persist_result=False)
def look() -> None:
    """A flow that is deployed here."""


@pytest.fixture
def client(prefect_server: str) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client
    Variable.unset(VARIABLE)


def _deployed(client: SyncPrefectClient, name: str, folder: Path, tags: tuple[str, ...] = ("mtmd",)) -> UUID:
    """A deployment with a schedule."""
    schedule = DeploymentScheduleCreate(schedule=CronSchedule(cron="0 3 * * *"), active=True, slug="nightly")
    return client.create_deployment(
        flow_id=client.create_flow(look),
        name=name,
        schedules=[schedule],
        tags=list(tags),
        pull_steps=[
            {"prefect.deployments.steps.set_working_directory": {"directory": str(folder)}},
            {"somebodys.step": None},
        ],
    )


def test_only_this_checkouts_deployments_of_former_names_are_paused(
    client: SyncPrefectClient, prefect_server: str, tmp_path: Path
) -> None:
    old = _deployed(client, "daily", tmp_path)
    others = [
        _deployed(client, "nightly-look", tmp_path),
        _deployed(client, "weekly", tmp_path / "another"),
        _deployed(client, "manual", tmp_path, tags=("mine",)),
    ]
    (words,) = pause_former(prefect_server, tmp_path)
    assert words.startswith(
        "deployment nightly-look/daily: paused, nightly-look/nightly-look stands for it; "
    )
    assert words.endswith("`prefect deployment delete nightly-look/daily`")
    assert client.read_deployment(old).paused
    assert not any(client.read_deployment(other).paused for other in others)
    for one in (old, *others):
        client.delete_deployment(one)


def test_a_preset_that_is_given_stays_until_another_one_is(
    client: SyncPrefectClient, prefect_server: str
) -> None:
    assert choose_preset(prefect_server, None) == "preset: demo (the Prefect variable mtmd_preset)"
    for given in ("tiny", None):
        assert choose_preset(prefect_server, given) == "preset: tiny (the Prefect variable mtmd_preset)"
    with pytest.raises(ConfigError, match="preset 'dmeo' not found"):
        choose_preset(prefect_server, "dmeo")
    assert Variable.get(VARIABLE) == "tiny"


def test_a_server_that_does_not_answer_or_refuses_is_named(prefect_server: str, tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/api"
    for ask in (
        lambda: require_pool(nobody, "local"),
        lambda: choose_preset(nobody, None),
        lambda: list(pause_former(nobody, tmp_path)),
        lambda: limit_queue(nobody, "local", "background", 1),
    ):
        with pytest.raises(
            ConfigError, match=rf"server at {nobody} does not answer.*server\.log .* `make up` again"
        ):
            ask()
    with pytest.raises(ConfigError, match=rf"server at {prefect_server} .* refuses \(.*no-such-pool"):
        limit_queue(prefect_server, "no-such-pool", "background", 1)
