"""The killed runs are processes of their own, so they go on beside the other tests, on the other core."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.flows.kills import Killed, kill_three_times
from tests.flows.runs import Run


@pytest.fixture(scope="session")
def killed_runs(
    first_run: Run, prefect_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator["Future[Killed]"]:
    """Started here, awaited where it is looked at."""
    directory = tmp_path_factory.mktemp("killed")
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(kill_three_times, prefect_server, first_run.logs, directory)


@pytest.fixture(scope="session", autouse=True)
def _start_early(request: pytest.FixtureRequest) -> None:
    """Start the killed runs before the first test of the flows, if they are wanted at all."""
    if any(item.path.name == "test_kill.py" for item in request.session.items):
        request.getfixturevalue("killed_runs")
