"""A platform that runs, of all tests that need no more than one."""

from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO

import pytest

from mtmd.extras.platform.local import Platform, down, up
from tests.extras.platform.deployed import Deployed
from tests.flows.runs import Run, copied
from tests.prefect_server import free_port


@pytest.fixture(scope="session")
def deployed(next_day: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """With the models of both days, and nothing promoted."""
    directory = tmp_path_factory.mktemp("deployed")
    artifacts = copied(next_day.artifacts, directory / "artifacts", champion=False)
    platform = Platform(directory / "platform", free_port(), free_port(), artifacts)
    with pytest.MonkeyPatch.context() as shell:
        # The clock would start runs among those of the tests.
        shell.setenv("PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED", "false")
        try:
            with redirect_stdout(StringIO()) as said:
                up(platform)
            yield Deployed(platform, next_day.logs)
        finally:
            down(platform)
    assert "\nwaiting for `prefect deploy --all`\n" in said.getvalue()
    assert (
        f"Worker 'mtmd-{platform.port}' stopped!" in (platform.home / "worker.log").read_text()
    )  # it ended by itself
