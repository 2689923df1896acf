"""A platform that runs."""

from collections.abc import Iterator

import pytest

from deploy.local import Platform, down, up
from tests.mtmd_flows.deployed import Deployed, free_port
from tests.mtmd_flows.runs import Run, copied


@pytest.fixture(scope="module")
def deployed(next_day: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    directory = tmp_path_factory.mktemp("deployed")
    artifacts = copied(next_day.artifacts, directory / "artifacts", champion=False)
    platform = Platform(directory / "platform", free_port(), free_port(), artifacts)
    try:
        up(platform)
        yield Deployed(platform, next_day.logs)
    finally:
        down(platform)
    assert "Worker 'mtmd' stopped!" in (platform.home / "worker.log").read_text()  # it ended by itself
