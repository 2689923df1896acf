"""What `make up` does to deployments beside prefect.yaml."""

from collections.abc import Iterator

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.variables import Variable

from deploy.deployments import choose_preset, limit_queue, require_pool
from mtmd.errors import ConfigError
from mtmd.flows.preset_variable import VARIABLE
from tests.flows.deployed import free_port


@pytest.fixture
def client(prefect_server: str) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client
    Variable.unset(VARIABLE)


def test_a_preset_that_is_given_stays_until_another_one_is(
    client: SyncPrefectClient, prefect_server: str
) -> None:
    assert choose_preset(prefect_server, None) == "preset: demo (the Prefect variable mtmd_preset)"
    for given in ("tiny", None):
        assert choose_preset(prefect_server, given) == "preset: tiny (the Prefect variable mtmd_preset)"
    with pytest.raises(ConfigError, match="preset 'dmeo' not found"):
        choose_preset(prefect_server, "dmeo")
    assert Variable.get(VARIABLE) == "tiny"


def test_a_server_that_does_not_answer_or_refuses_is_named(prefect_server: str) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/api"
    for ask in (
        lambda: require_pool(nobody, "local"),
        lambda: choose_preset(nobody, None),
        lambda: limit_queue(nobody, "local", "background", 1),
    ):
        with pytest.raises(
            ConfigError, match=rf"server at {nobody} does not answer.*server\.log .* `make up` again"
        ):
            ask()
    with pytest.raises(ConfigError, match=rf"server at {prefect_server} .* refuses \(.*no-such-pool"):
        limit_queue(prefect_server, "no-such-pool", "background", 1)
