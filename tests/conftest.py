"""Shared data of the tests: a small simulated platform, and one run of the daily flow on it, made once."""

import gc
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mtmd.config import Preset, load_preset
from mtmd.store.files import locked
from tests.shared import Shared

if TYPE_CHECKING:
    from tests.buckets import S3
    from tests.daily import Done
    from tests.flows.runs import Run
    from tests.rich_line import RichLine

TINY = "tiny"
FIRST_DAY = date(2026, 1, 1)
# What makes a test slow: a folder that it is in, or a fixture that starts a server. Others say `pytest.mark.slow`.
SLOW_FOLDERS = {"benchmarks", "bucket", "clusters", "deploy", "faults", "fuzz"}
SLOW_FIXTURES = {"browser", "deployed", "machine", "machines", "remote", "rich_line", "s3"}
TINY_DAYS = 23  # a 20-day window, a held-out day, and two more for the days after


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-faults", action="store_true", help="try every fault of tests/faults, not some")


def pytest_xdist_auto_num_workers() -> int:
    """Two more processes than two cores: each waits for servers and other processes two fifths of its time."""
    return max(4, os.cpu_count() or 1)


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """Let one process come first: it rewrites the modules' asserts, and the others read what it has written.

    In a new checkout that is half of a collection, which four processes would do at the same time. What is made here
    stays to the end: looking through it for garbage again and again would take a twentieth of the tests' time.
    """
    gc.disable()
    with ExitStack() as stack:
        stack.callback(gc.enable)
        stack.callback(gc.freeze)
        if hasattr(session.config, "workerinput"):
            place = Shared.of(session.config._tmp_path_factory).directory  # type: ignore[attr-defined]
            with locked(place / "collected.lock", 600.0):
                if not (place / "collected").exists():
                    result = yield
                    (place / "collected").touch()
                    return result
        return (yield)


@pytest.hookimpl(tryfirst=True)  # before `-m` selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow, and let it come first, so that no process is left alone with it at the end.

    Flows come next: others need the runs that they share.
    """
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & SLOW_FIXTURES or SLOW_FOLDERS & set(item.path.parts):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: (item.get_closest_marker("slow") is None, "flows" not in item.path.parts))


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
def prefect_server(shared: Shared) -> Iterator[str]:
    """Address of the test run's server; flows of this process report to it."""
    from tests.prefect_server import reported_to, start

    address = shared.once("server", start)
    with reported_to(address):
        yield address


def pytest_unconfigure(config: pytest.Config) -> None:
    """The process that started the others, or is alone, ends the server."""
    temporary: pytest.TempPathFactory | None = getattr(config, "_tmp_path_factory", None)
    if temporary is not None and not hasattr(config, "workerinput"):
        server = Shared.of(temporary).directory / "server"
        if server.exists():
            from tests.prefect_server import end

            end(server)


@pytest.fixture(scope="session")
def new_prefect_home(prefect_server: str, shared: Shared) -> Callable[[Path], Path]:
    """Makes a folder a PREFECT_HOME whose server starts with empty tables, and needn't make them: half of its start."""

    def make(home: Path) -> Path:
        return shutil.copytree(shared.directory / "server" / "tables", home)

    return make


@pytest.fixture(scope="session")
def first_run(prefect_server: str, tiny_logs: Path, shared: Shared) -> "Run":
    """The daily flow for 2026-01-21 into empty artifacts; copy them before you damage them."""
    from tests.flows.runs import AS_OF, run_daily

    return shared.once(
        "first", lambda place: run_daily(as_of=AS_OF, logs=tiny_logs, artifacts=place).detached()
    )


@pytest.fixture(scope="session")
def next_day(first_run: "Run", shared: Shared) -> "Run":
    """The day after the first run, on a copy of its artifacts."""
    from tests.flows.runs import NEXT, copied, run_daily

    def make(place: Path) -> "Run":
        artifacts = copied(first_run.artifacts, place)
        return run_daily(as_of=NEXT, logs=first_run.logs, artifacts=artifacts).detached()

    return shared.once("next", make)


@pytest.fixture(scope="session")
def rich_line(shared: Shared, tiny_logs: Path) -> "RichLine":
    """A line of a preset with five tasks, lists and encoded numbers, and its first day."""
    from tests.rich_line import make_rich_line

    return shared.once("rich", lambda place: make_rich_line(place, tiny_logs))


@pytest.fixture(scope="session")
def taken(first_run: "Run", tmp_path_factory: pytest.TempPathFactory) -> "Callable[[Path, bool], Done]":
    """Makes a copy of the first run's artifacts, with its champion or without one; returns what the stages say of it.

    The stages run once in a process for each of the two. What they say of another copy differs in the paths alone
    (tests/test_daily.py).
    """
    from tests.daily import Done, run_stages
    from tests.flows.runs import copied

    @cache
    def asked(champion: bool) -> tuple[str, str]:
        place = copied(first_run.artifacts, tmp_path_factory.mktemp("taken") / "artifacts", champion=champion)
        return str(place), run_stages(first_run.logs, place).model_dump_json()

    def take(place: Path, champion: bool) -> Done:
        copied(first_run.artifacts, place, champion=champion)
        asked_in, answer = asked(champion)
        assert asked_in in answer
        return Done.model_validate_json(answer.replace(asked_in, str(place)))

    return take


@pytest.fixture
def done(taken: "Callable[[Path, bool], Done]", tmp_path: Path) -> "Done":
    """Nothing is promoted yet; the test may damage what it finds."""
    return taken(tmp_path / "artifacts", False)


@pytest.fixture
def done_live(taken: "Callable[[Path, bool], Done]", tmp_path: Path) -> "Done":
    """The same, and the candidate is the champion."""
    return taken(tmp_path / "live", True)


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["S3"]:
    """An S3 of this test alone, which obstore finds by the environment."""
    pytest.importorskip("obstore", reason="obstore is not installed: buckets can't be tried")
    pytest.importorskip("mtmd.extras.bucket", reason="the extra `bucket` is not here")
    from mtmd.extras.bucket import objects
    from tests.buckets import hurry, serving

    with serving(tmp_path / "s3") as s3:
        for name, value in s3.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(objects, "_PAUSE_S", objects._PAUSE_S)  # put back afterwards
        monkeypatch.setitem(objects._RETRIES, "backoff", objects._RETRIES["backoff"])
        hurry()
        yield s3
        objects.opened.cache_clear()


@pytest.fixture
def machine(s3: "S3", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """`machine("a")`: go on as on another machine; returns its working folder of the line in s3://art/team."""
    from mtmd.store.stores import artifacts_folder

    (s3.root / "art").mkdir(parents=True)

    def become(name: str) -> Path:
        monkeypatch.setenv("MTMD_WORK", str(tmp_path / f"machine-{name}"))
        return artifacts_folder("s3://art/team") / "line"

    return become
