"""One Prefect server for all processes of a test run.

Its start takes eight seconds of a core, and each quarter of an hour of waiting ten more, so one each would be a minute.
"""

import atexit
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import httpx
import prefect
import psutil
from prefect.context import _temporary_global_settings_context, get_settings_context
from prefect.settings import PREFECT_API_URL, temporary_settings

RECORD, TABLES = "server.pid", "tables"
_children: "list[subprocess.Popen[bytes]]" = []
_PATIENCE_S = 240.0


def start(place: Path) -> str:
    """Start the server with its database in a folder, as Prefect's own tests do; the address of its API.

    It goes on until `end`. A copy of its tables, which are empty, is in the folder's `tables`.
    """
    place.mkdir(exist_ok=True)
    port, database = free_port(), place / "prefect.db"
    environment = os.environ | {
        "PREFECT_HOME": str(place),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{database}",
        "PREFECT_UI_ENABLED": "0",
        "PREFECT__SERVER_EPHEMERAL": "1",
        "PREFECT__SERVER_FINAL": "1",
        # No automation has to act on it: the tests of automations have a platform of their own.
        "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "0",
    }
    command = (
        sys.executable, "-m", "uvicorn", "--app-dir", str(prefect.__module_path__.parent), "--factory",
        "prefect.server.api.server:create_app", "--host", "127.0.0.1", "--port", str(port), "--log-level", "error",
        "--lifespan", "on",
    )  # fmt: skip
    with (place / "server.log").open("ab") as log:
        server = subprocess.Popen(
            command, cwd=place, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    _children.append(server)
    (place / RECORD).write_text(f"{server.pid}")
    _await(f"http://127.0.0.1:{port}/api", place)
    (place / TABLES).mkdir()
    with (
        closing(sqlite3.connect(database)) as source,
        closing(sqlite3.connect(place / TABLES / "prefect.db")) as copy,
    ):
        source.backup(copy)
    return f"http://127.0.0.1:{port}/api"


@atexit.register
def _forget() -> None:
    """The server outlives the process that started it; dropping a Popen whose process runs is a warning."""
    for child in _children:
        child.returncode = 0


def _await(address: str, place: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not _answers(address):
        lasting = _children[-1].poll() is None and time.monotonic() < deadline
        assert lasting, (place / "server.log").read_text()
        time.sleep(0.1)


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health").status_code == 200
    except httpx.TransportError:
        return False


def end(place: Path) -> None:
    with suppress(FileNotFoundError, psutil.NoSuchProcess):
        server = psutil.Process(int((place / RECORD).read_text()))
        server.terminate()
        with suppress(psutil.TimeoutExpired):
            server.wait(20)
        server.kill()
        server.wait(20)
    for child in _children:
        child.poll()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def reported_to(address: str) -> Iterator[None]:
    """Flows of this process report to the server, also those of threads that began before."""
    with ExitStack() as stack:
        stack.enter_context(temporary_settings({PREFECT_API_URL: address}))
        stack.enter_context(_temporary_global_settings_context(get_settings_context()))
        yield
