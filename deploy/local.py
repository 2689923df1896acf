"""`make up` and `make down`: a Prefect server, its deployments, a worker and the report pages, on this machine alone.

Each process has a record, so that `down` ends exactly what `up` started, and `up` again starts only what is missing.
Everything else lives in the server's database below `home` and survives.
"""

import argparse
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import chdir
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
from rich.console import Console
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from deploy import deployments, processes
from mtmd.command_line import literal
from mtmd.errors import ConfigError, MtmdError
from mtmd.flows.automations import apply, packaged
from mtmd.report.index import unless_it_fails, write_index
from mtmd.store.files import read_json, remove, write_json
from mtmd.store.stores import artifacts_folder

ROOT = Path(__file__).parents[1]
POOL = "local"
_PREFECT = str(Path(sys.executable).with_name("prefect"))
_DATABASE = ("PREFECT_SERVER_DATABASE_", "PREFECT_API_DATABASE_")  # two names of the same settings
_SERVER = {
    # A server that was down forgets, after a minute by default, which heartbeats it waited for: runs that died with it
    # would stay Running for ever. Ours remembers for a week.
    "PREFECT_SERVER_EVENTS_EXPIRED_BUCKET_BUFFER": "P7D",
    # Who holds which slot, in PREFECT_HOME. In memory, as by default, a new server would not know: Prefect then ends
    # every run of a deployment that goes on.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    "PREFECT_SERVER_UI_V2_ENABLED": "false",  # its pages ask a service on the internet for their settings
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
}
PATIENCE_S = 300.0
_PORT_PATIENCE_S = 5.0
_LAST_PORT = 65535
_console = Console(highlight=False, emoji=False, soft_wrap=True)


@dataclass(frozen=True)
class Platform:
    """Where the platform lives and listens: on 127.0.0.1 only."""

    home: Path = ROOT / ".platform"
    port: int = 4200
    reports_port: int = 4201
    artifacts: Path = ROOT / "artifacts"

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    @property
    def reports(self) -> str:
        return f"http://127.0.0.1:{self.reports_port}"

    @property
    def environment(self) -> dict[str, str]:
        """Of everything that talks to the server: this platform's settings, whatever the shell has of Prefect's."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        return own | {
            "PREFECT_HOME": str(self.home / "prefect"),
            "PREFECT_API_URL": self.api,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_CLI_PROMPT": "false",
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            "DO_NOT_TRACK": "1",
            "MTMD_REPORTS_URL": os.environ.get("MTMD_REPORTS_URL") or self.reports,
            "PROJECT_ROOT": str(ROOT),
        }

    @property
    def server_environment(self) -> dict[str, str]:
        """The server's own: without its address, and with the shell's database."""
        database = {name: value for name, value in os.environ.items() if name.startswith(_DATABASE)}
        own = {name: value for name, value in self.environment.items() if name != "PREFECT_API_URL"}
        return own | database | _SERVER | {"PREFECT_SERVER_UI_API_URL": self.api}

    @property
    def database(self) -> str:
        """What runs are kept in, without its password: a connection URL, or the parts that Prefect makes one of."""
        given = _database_setting("CONNECTION_URL")
        if given is None:
            driver, *rest = map(_database_setting, ("DRIVER", "USER", "HOST", "PORT", "NAME"))
            user, host, port, name = (part or "" for part in rest)
            return f"{driver}://{user}@{host}:{port}/{name}" if driver else "SQLite"
        try:
            return make_url(given).render_as_string(hide_password=True)
        except ArgumentError as error:
            raise ConfigError(
                "the database's connection URL can't be read; it must look like "
                "postgresql+asyncpg://user:password@host:5432/name"
            ) from error


def up(platform: Platform, preset: str | None = None, *, schedules: bool = True) -> None:
    """Start what is missing, then bring pool, queues, deployments and automations up to the files.

    With a `preset`, the deployments run it from now on. Without `schedules` they are paused before there is a worker:
    then only people start runs. Raises ConfigError when a process ends instead of answering; its log says why.
    """
    listen = ("--host", "127.0.0.1", "--port", str(platform.port))
    _require_port(platform, "server", platform.port)
    _require_port(platform, "reports", platform.reports_port)
    _require_folder(platform)
    database = _require_database(platform)
    _start(platform, "server", (_PREFECT, "server", "start", *listen), platform.server_environment)
    _await(platform, "server", f"{platform.api}/health")
    # Only now: an address that was never reached is not one to insist on.
    write_json(platform.home / "database.json", {"database": database})
    deployments.require_pool(platform.api, POOL)
    _console.print(literal(deployments.choose_preset(platform.api, preset)))
    _deploy(platform)
    if not schedules:
        deployments.pause_all(platform.api)
    deployments.limit_queue(platform.api, POOL, "background", 1)
    for words in apply(packaged(), platform.api):
        _console.print(literal(words))
    worker = (_PREFECT, "worker", "start", "--pool", POOL, "--name", "mtmd")
    _start(platform, "worker", worker, platform.environment)
    platform.artifacts.mkdir(parents=True, exist_ok=True)
    unless_it_fails(platform.artifacts, lambda: write_index(platform.artifacts))
    address = (str(platform.reports_port), "--bind", "127.0.0.1", "--directory", str(platform.artifacts))
    _start(platform, "reports", (sys.executable, "-m", "http.server", *address), platform.environment)
    _await(platform, "reports", platform.reports)
    _console.print(
        f"UI: http://127.0.0.1:{platform.port}   reports: {platform.reports}   logs: {platform.home}"
    )


def down(platform: Platform) -> None:
    """End what `up` started, the worker first; whatever else runs on this machine is left alone."""
    for name in ("worker", "reports", "server"):
        process = _running(platform, name)
        if process is None:
            _console.print(f"{name}: not running")
        else:
            processes.end(process)
            _console.print(f"{name}: stopped (pid {process.pid})")
        remove(_record(platform, name))


def family_of(platform: Platform, name: str) -> list[int]:
    """The process that `up` started as `name` (server, worker, reports) and what that started; empty when it ended."""
    process = _running(platform, name)
    return (
        [] if process is None else [process.pid, *(child.pid for child in process.children(recursive=True))]
    )


def _record(platform: Platform, name: str) -> Path:
    return platform.home / f"{name}.json"


def _running(platform: Platform, name: str) -> psutil.Process | None:
    return processes.recorded(_record(platform, name))


def _start(platform: Platform, name: str, command: tuple[str, ...], environment: Mapping[str, str]) -> None:
    if (process := _running(platform, name)) is not None:
        _console.print(f"{name}: running already (pid {process.pid})")
        return
    process = processes.start(_record(platform, name), command, cwd=ROOT, environment=environment)
    _console.print(f"{name}: started (pid {process.pid})")


def _require_port(platform: Platform, name: str, port: int) -> None:
    """A port that another program listens on would be taken for ours; a killed process of ours lets go in a moment.

    So would another program be where ours listens elsewhere, and the deployments would go to somebody else's server.
    """
    if (process := _running(platform, name)) is not None and str(port) not in (words := process.cmdline()):
        own = next(filter(str.isdigit, words), "another")
        raise ConfigError(
            f"the {name} runs already on port {own}, not {port}; name that port (`make up PORT=… REPORTS_PORT=…`), or "
            "end it with `make down` first"
        )
    deadline = time.monotonic() + _PORT_PATIENCE_S
    while (taken := _listens(port)) and time.monotonic() < deadline:
        if _running(platform, name) is not None:
            return
        time.sleep(0.2)
    if taken:
        raise ConfigError(
            f"port {port} of the {name} is taken by another program; choose others: `make up PORT=… REPORTS_PORT=…`"
        )


def _require_folder(platform: Platform) -> None:
    """Report pages of another folder would go on being served: links to new ones would lead nowhere."""
    if (process := _running(platform, "reports")) is not None and (
        str(platform.artifacts) not in process.cmdline()
    ):
        raise ConfigError(
            f"the reports port serves another folder than {platform.artifacts}, where runs write now; end it with "
            "`make down` first"
        )


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _database_setting(name: str) -> str | None:
    return next(filter(None, (os.environ.get(prefix + name) for prefix in _DATABASE)), None)


def _require_database(platform: Platform) -> str:
    """The database, which must be the one from before: a server on another one would have no runs."""
    record = platform.home / "database.json"
    before = str(read_json(record)["database"]) if record.is_file() else platform.database
    if before != platform.database and _running(platform, "server") is None:
        raise ConfigError(
            f"the database ({platform.database}) must be the one from before ({before}); set "
            f"PREFECT_SERVER_DATABASE_CONNECTION_URL as it was then, or remove {record} to begin with an empty one"
        )
    return before


def _await(platform: Platform, name: str, url: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                break
        except (urllib.error.URLError, OSError) as error:
            if _running(platform, name) is None or time.monotonic() > deadline:
                raise ConfigError(
                    f"{name} does not answer at {url}; see {platform.home / f'{name}.log'}"
                ) from error
            time.sleep(0.3)


def _deploy(platform: Platform) -> None:
    """What `prefect.yaml` declares."""
    done = subprocess.run(
        [_PREFECT, "--no-prompt", "deploy", "--all"], cwd=ROOT, env=platform.environment, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise ConfigError(f"prefect deploy --all failed:\n{(done.stdout + done.stderr).strip()}")


def main() -> int:
    """Run one command from a terminal; exit status 1 for an error that the user can mend."""
    options = _parser().parse_args()
    platform = Platform(port=options.port, reports_port=options.reports_port)
    try:
        if options.command == "up":
            up(replace(platform, artifacts=_artifacts()), options.preset)
        else:
            down(platform)
    except MtmdError as error:
        Console(stderr=True, highlight=False, emoji=False, soft_wrap=True).print(literal(f"error: {error}"))
        return 1
    return 0


def _artifacts() -> Path:
    """Where the worker's runs write, whose folder is this checkout: what MTMD_ARTIFACTS names, or `artifacts`."""
    with chdir(ROOT):
        return artifacts_folder("artifacts")


def _port(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if not 1 <= number <= _LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} must be a port, a number between 1 and {_LAST_PORT}")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    parser.add_argument("command", choices=("up", "down"))
    parser.add_argument("--port", type=_port, default=Platform.port, help="of the server and its UI")
    parser.add_argument(
        "--reports-port", type=_port, default=Platform.reports_port, help="of the report pages"
    )
    parser.add_argument(
        "--preset", help="that the deployments run from now on; the one they have when omitted"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
