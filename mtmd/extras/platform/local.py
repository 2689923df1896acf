"""`mtmd up` and `mtmd down`: a Prefect server, its deployments, a worker and the report pages, on this machine alone.

Each process has a record, so that `down` ends exactly what `up` started, and `up` again starts only what is missing.
Everything else lives in the server's database below `home` and survives.
"""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import psutil

import mtmd.flows  # noqa: F401 - sends nothing elsewhere, and finds this machine beside a proxy
from mtmd import extension
from mtmd.command_line import console, literal
from mtmd.config import load_preset
from mtmd.errors import ConfigError
from mtmd.extras.platform import processes
from mtmd.report.index import unless_it_fails, write_lines
from mtmd.store.files import remove

PRESET = "mtmd_preset"  # the Prefect variable that prefect.yaml reads
_PREFECT = str(Path(sys.executable).with_name("prefect"))
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
_PATIENCE_S = 300.0


@dataclass(frozen=True)
class Platform:
    """Where the platform lives and listens: on 127.0.0.1 only. Its prefect.yaml is in the folder `root`."""

    home: Path
    port: int = 4200
    reports_port: int = 4201
    artifacts: Path = Path("artifacts")
    root: Path = field(default_factory=Path.cwd)

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    @property
    def reports(self) -> str:
        return f"http://127.0.0.1:{self.reports_port}"

    @property
    def ui(self) -> Path:
        """Where the server copies the files of its UI."""
        return self.home / "ui"

    @property
    def environment(self) -> dict[str, str]:
        """Of every process: this platform's settings; the shell's of Prefect only where they are a server's."""
        own = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("PREFECT_") or name.startswith("PREFECT_SERVER_")
        }
        return (
            own
            | _SERVER
            | {
                "PREFECT_HOME": str(self.home / "prefect"),
                "PREFECT_API_URL": self.api,
                "PREFECT_SERVER_UI_API_URL": self.api,
                "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(self.ui),
                "PREFECT_CLI_PROMPT": "false",
                "PREFECT_WORKER_QUERY_SECONDS": "2",
                "MTMD_REPORTS_URL": os.environ.get("MTMD_REPORTS_URL") or self.reports,
            }
        )


def up(platform: Platform, preset: str | None = None) -> None:
    """Start what is missing, then bring pool, queues, deployments and automations up to the files.

    With a `preset`, the deployments run it from now on. Raises ConfigError for a preset or a port that can't be, and
    when a process ends instead of answering; its log says why.
    """
    if not (platform.root / "prefect.yaml").is_file():
        raise ConfigError(
            f"{platform.root} has no prefect.yaml; go to a checkout or a project's folder first"
        )
    if preset is not None:
        load_preset(preset)
        if PRESET not in (platform.root / "prefect.yaml").read_text(encoding="utf-8"):
            raise ConfigError(
                f"--preset {preset} would change nothing: the deployments' preset stands in "
                f"{platform.root / 'prefect.yaml'}, below `definitions`; write it there, and leave --preset out"
            )
    server = (_PREFECT, "server", "start", "--host", "127.0.0.1", "--port", str(platform.port))
    _start(platform, "server", server, platform.port)
    _await(platform, "server", f"{platform.api}/health")
    _prefect(platform, "work-pool", "create", "local", "--type", "process", "--overwrite")
    if preset is not None:
        _prefect(platform, "variable", "set", PRESET, preset, "--overwrite")
    else:
        _prefect(platform, "variable", "set", PRESET, "demo", may_fail="already exists")
    _prefect(platform, "deploy", "--all")
    _prefect(platform, "work-queue", "set-concurrency-limit", "background", "1", "--pool", "local")
    if (messages := extension.module("messages", "server")) is not None:
        for words in messages.apply(messages.usual(platform.root), platform.api):
            console.print(literal(words))
    worker = (_PREFECT, "worker", "start", "--pool", "local", "--name", f"mtmd-{platform.port}")
    _start(platform, "worker", worker)
    platform.artifacts.mkdir(parents=True, exist_ok=True)
    unless_it_fails(platform.artifacts, lambda: write_lines(platform.artifacts))
    address = (str(platform.reports_port), "--bind", "127.0.0.1", "--directory", str(platform.artifacts))
    pages = (sys.executable, "-P", "-m", "http.server", *address)
    _start(platform, "reports", pages, platform.reports_port)
    _await(platform, "reports", platform.reports)
    console.print(
        f"UI: http://127.0.0.1:{platform.port}   reports: {platform.reports}   logs: {platform.home}"
    )


def _leave_v2_out(platform: Platform) -> None:
    """No setting hides the banner "Try the V2 UI": only a server that can't copy the files of V2 offers V1 alone.

    A link that leads nowhere is in their place. The server's log says that V2 will not be available.
    """
    place = platform.ui / "v2"
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.is_symlink():
        place.symlink_to("nowhere")


def down(platform: Platform) -> None:
    """End what `up` started, the worker first; whatever else runs on this machine is left alone."""
    for name in ("worker", "reports", "server"):
        process = _running(platform, name)
        if process is None:
            console.print(f"{name}: not running")
        else:
            processes.end(process)
            console.print(f"{name}: stopped (pid {process.pid})")
        remove(_record(platform, name))


def _record(platform: Platform, name: str) -> Path:
    return platform.home / f"{name}.json"


def _running(platform: Platform, name: str) -> psutil.Process | None:
    process = processes.recorded(_record(platform, name))
    # In a copied folder the record is of the original's process.
    return process if process and Path(process.cwd()) == platform.root.resolve() else None


def _start(platform: Platform, name: str, command: tuple[str, ...], port: int | None = None) -> None:
    """Start a process unless it runs. Raises ConfigError where it runs otherwise, or its port is another program's."""
    if (process := _running(platform, name)) is not None:
        if (found := tuple(process.cmdline()[1 - len(command) :])) != command[1:]:
            raise ConfigError(
                f"the {name} runs already, as `{' '.join(found)}`, not as `{' '.join(command[1:])}`; end it with "
                "`mtmd down` first"
            )
        console.print(f"{name}: running already (pid {process.pid})")
        return
    if port is not None and _listens(port):  # deployments would go to somebody's server
        raise ConfigError(
            f"port {port} of the {name} is another program's; choose others: --port, --reports-port"
        )
    _leave_v2_out(platform)
    process = processes.start(
        _record(platform, name), command, cwd=platform.root, environment=platform.environment
    )
    console.print(f"{name}: started (pid {process.pid})")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _await(platform: Platform, name: str, url: str) -> None:
    console.print(f"{name}: waiting for an answer at {url}")
    deadline = time.monotonic() + _PATIENCE_S
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


def _prefect(platform: Platform, *command: str, may_fail: str | None = None) -> None:
    """One command of Prefect's. Raises ConfigError where it fails, but for a failure with these words."""
    console.print(f"waiting for `prefect {command[0]} {command[1]}`")
    done = subprocess.run(
        [_PREFECT, "--no-prompt", *command], cwd=platform.root, env=platform.environment, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    said = (done.stdout + done.stderr).strip()
    if done.returncode != 0 and (may_fail is None or may_fail not in " ".join(said.split())):
        raise ConfigError(f"prefect {' '.join(command)} failed:\n{said}")
