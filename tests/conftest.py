"""Shared data of the tests: a small simulated platform, and one run of the daily flow on it, made once."""

import os
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mtmd.config import Preset, load_preset
from tests.shared import Shared

if TYPE_CHECKING:
    from tests.buckets import S3
    from tests.daily import Done
    from tests.mtmd_flows.runs import Run

TINY = "tiny"
FIRST_DAY = date(2026, 1, 1)
TINY_DAYS = 23  # a 20-day window, a held-out day, and two more for the days after


def pytest_xdist_auto_num_workers() -> int:
    """One more process than two cores: each waits for servers a good part of its time."""
    return max(3, os.cpu_count() or 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits for platforms comes first, so that no process is left alone with it at the end.

    Second is what needs no run that is shared, while the first process makes those.
    """
    slow = {"test_documented_commands.py": 0, "test_wheel.py": 1, "mtmd_flows": 2}
    items.sort(key=lambda item: min((slow[part] for part in item.path.parts if part in slow), default=3))


@pytest.fixture(scope="session")
def tiny_preset() -> Preset:
    return load_preset(TINY)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    return Shared.of(tmp_path_factory)


@pytest.fixture(scope="session")
def tiny_logs(shared: Shared) -> Path:
    """23 days of tiny logs from 2026-01-01; read-only by convention: copy before you damage."""

    def make(place: Path) -> Path:
        from mtmd.sources.simulated.platform import simulate
        from tests.worlds import tiny_world

        simulate(tiny_world(), FIRST_DAY, FIRST_DAY + timedelta(days=TINY_DAYS - 1), place)
        return place

    return shared.once("logs", make)


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[str]:
    """Address of a server with an empty database; flows of this process report to it."""
    from prefect.settings import PREFECT_API_URL
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield str(PREFECT_API_URL.value())


@pytest.fixture(scope="session")
def first_run(prefect_server: str, tiny_logs: Path, shared: Shared) -> "Run":
    """The daily flow for 2026-01-21 into empty artifacts; copy them before you damage them."""
    from tests.mtmd_flows.runs import AS_OF, run_daily

    return shared.once(
        "first", lambda place: run_daily(as_of=AS_OF, logs=tiny_logs, artifacts=place).detached()
    )


@pytest.fixture(scope="session")
def next_day(first_run: "Run", shared: Shared) -> "Run":
    """The day after the first run, on a copy of its artifacts."""
    from tests.mtmd_flows.runs import NEXT, copied, run_daily

    def make(place: Path) -> "Run":
        artifacts = copied(first_run.artifacts, place)
        return run_daily(as_of=NEXT, logs=first_run.logs, artifacts=artifacts).detached()

    return shared.once("next", make)


@pytest.fixture
def done(first_run: "Run", tmp_path: Path) -> "Done":
    """Nothing is promoted yet; the test may damage what it finds."""
    from tests.daily import run_stages
    from tests.mtmd_flows.runs import copied

    return run_stages(first_run.logs, copied(first_run.artifacts, tmp_path / "artifacts", champion=False))


@pytest.fixture
def done_live(first_run: "Run", tmp_path: Path) -> "Done":
    """The same, and the candidate is the champion."""
    from tests.daily import run_stages
    from tests.mtmd_flows.runs import copied

    return run_stages(first_run.logs, copied(first_run.artifacts, tmp_path / "live"))


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["S3"]:
    """An S3 of this test alone, which obstore finds by the environment; its cache is the test's, too."""
    pytest.importorskip("obstore", reason="obstore is not installed: buckets can't be tried")
    from mtmd.store import objects
    from tests.buckets import serving

    with serving(tmp_path / "s3") as s3:
        for name, value in s3.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("MTMD_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(objects, "_PAUSE_S", 0.001)
        backoff = {
            "init_backoff": timedelta(milliseconds=1),
            "max_backoff": timedelta(milliseconds=5),
            "base": 2.0,
        }
        monkeypatch.setitem(objects._RETRIES, "backoff", backoff)
        objects._opened.cache_clear()
        yield s3
        objects._opened.cache_clear()
