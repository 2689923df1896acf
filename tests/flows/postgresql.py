"""A PostgreSQL of the tests' own, where one is installed: on a free port, with a password, gone afterwards."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PASSWORD = "a pass/word"  # must be quoted in an address
_PROGRAMS = ("initdb", "postgres", "createdb", "psql")
_USERS = ("postgres", "nobody")  # PostgreSQL refuses to run as root


@dataclass(frozen=True)
class PostgreSQL:
    """A running server with an empty database `prefect` of the user `prefect`."""

    programs: Path
    port: int

    def query(self, statement: str) -> str:
        address = f"host=127.0.0.1 port={self.port} user=prefect dbname=prefect"
        return subprocess.run(
            [self.programs / "psql", "-XAt", "-d", address, "-c", statement],
            env=os.environ | {"PGPASSWORD": PASSWORD}, capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip


def installed() -> Path | None:
    """The folder of the newest PostgreSQL's programs: where Debian puts them, or on PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parent.name))
    on_path = shutil.which("initdb")
    found = [*folders, *([Path(on_path).resolve().parent] if on_path else [])]
    return next((path for path in found if all((path / name).exists() for name in _PROGRAMS)), None)


@contextmanager
def running(programs: Path) -> Iterator[PostgreSQL]:
    """Start a server on an empty folder; durable it need not be."""
    user = next(name for name in _USERS if _exists(name)) if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="mtmd-pg-") as name, socket.socket() as probe:
        folder = Path(name)
        (folder / "password").write_text(PASSWORD)
        for path in (folder, folder / "password"):
            if user is not None:
                shutil.chown(path, user)
        initdb = (programs / "initdb", "-D", folder / "data", "-U", "prefect", "-A", "scram-sha-256")
        subprocess.run(
            [*initdb, f"--pwfile={folder / 'password'}", "-N"],
            cwd=folder, user=user, capture_output=True, check=True,
        )  # fmt: skip
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
        probe.close()
        options = ("-p", str(port), "-h", "127.0.0.1", "-k", str(folder), "-c", "fsync=off")
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [programs / "postgres", "-D", folder / "data", *options],
                cwd=folder, user=user, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            _create_database(programs, port, folder / "log", server)
            yield PostgreSQL(programs, port)
        finally:
            server.send_signal(signal.SIGINT)  # ends its sessions; SIGTERM would wait for them
            server.wait(60)


def _create_database(programs: Path, port: int, log: Path, server: "subprocess.Popen[bytes]") -> None:
    """As soon as the server takes connections."""
    deadline = time.monotonic() + 60
    command = [programs / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "prefect", "prefect"]
    while True:
        done = subprocess.run(
            command, env=os.environ | {"PGPASSWORD": PASSWORD}, capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < deadline, done.stderr
        time.sleep(0.2)


def _exists(user: str) -> bool:
    return subprocess.run(["id", user], capture_output=True, check=False).returncode == 0
