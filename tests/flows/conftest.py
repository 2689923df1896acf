"""A platform that runs, of all tests that need no more than one: on PostgreSQL where that is installed."""

from collections.abc import Iterator

import pytest

from deploy.local import Platform, down, up
from tests.flows.deployed import Deployed, free_port
from tests.flows.postgresql import PostgreSQL, documented_address, installed, running
from tests.flows.runs import Run, copied


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL | None]:
    programs = installed()
    if programs is None:
        yield None
        return
    with running(programs) as server:
        yield server


@pytest.fixture(scope="session")
def deployed(
    next_day: Run, postgresql: PostgreSQL | None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    """With the models of both days, and nothing promoted."""
    directory = tmp_path_factory.mktemp("deployed")
    artifacts = copied(next_day.artifacts, directory / "artifacts", champion=False)
    platform = Platform(directory / "platform", free_port(), free_port(), artifacts)
    try:
        with pytest.MonkeyPatch.context() as shell:
            if postgresql is not None:
                shell.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", documented_address(postgresql))
            up(platform, schedules=False)
        yield Deployed(platform, next_day.logs)
    finally:
        down(platform)
    assert "Worker 'mtmd' stopped!" in (platform.home / "worker.log").read_text()  # it ended by itself
