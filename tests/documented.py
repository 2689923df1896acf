"""The commands of README and docs, and a copy of the checkout to run them in."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.processes import interruptible
from tests.flows.runs import LINE, ROOT, answered

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
_PROGRAM = r"(?:\.venv/bin/|(?:make|mtmd|prefect|python) )"
_ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
_PATIENCE_S = 600.0


def documented_commands() -> dict[str, str]:
    """Every command: the lines of sh blocks without their comments, and code spans; command → page."""
    return {command: page.name for page in PAGES for command in _commands(page.read_text(encoding="utf-8"))}


def _commands(text: str) -> Iterator[str]:
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            if command := re.sub(r"(^|\s+)#\s.*$", "", line).strip():
                yield command
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    yield from re.findall(rf"`({_PROGRAM}[^`]+)`", prose)


@dataclass(frozen=True)
class Step:
    """A documented command, how it is made small, and what is seen then."""

    command: str
    swap: dict[str, str] = field(default_factory=dict)  # text of the command → text that stands for it here
    add: str = ""  # arguments
    says: str = ""  # a pattern in the output
    live: str = ""  # the champion's day afterwards
    serves: bool = False  # goes on until it is ended; `says` and `answers` are awaited
    answers: str = ""  # a path of the server's API
    awaits: bool = False  # afterwards every run of a deployment that was started completes
    on_server: bool = False  # its flow reports to the tests' server, instead of starting a temporary one

    @property
    def line(self) -> str:
        """What bash runs: the same command."""
        line = self.command
        for documented, small in self.swap.items():
            assert documented in line, f"{documented} is not in {line}"
            line = line.replace(documented, small)
        # the virtual environment is not installed anew
        return re.sub(r"^make ", "make -o .venv/.ready ", f"{line} {self.add}".strip())


@dataclass
class Checkout:
    """A copy of this checkout with logs, artifacts and a platform of its own, in which commands run as documented."""

    root: Path
    line: Path  # artifacts of the line of models
    environment: dict[str, str]
    server: str = ""  # the tests' own
    name: str = "main"
    exports: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    serving: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    def take(self, step: Step) -> None:
        """Run one step; fails when the command does, or when the step's promises are not kept."""
        # What serves goes on writing into its own.
        output = self.root / f".output-{self.name}-{len(self.serving)}"
        if step.command.startswith("export "):
            self.exports.append(step.line)
        process = self._start(step.line, output, {"PREFECT_API_URL": self.server} if step.on_server else {})
        if step.serves:
            self.serving.append(process)
            _await(lambda: re.search(step.says, output.read_text()), process, output)
            _await(self._answers(step.answers), process, output)
        else:
            status = process.wait(_PATIENCE_S)
            assert status == 0, f"exit status {status}: {step.line}\n{output.read_text()}"
        said = output.read_text()
        assert re.search(step.says, said), f"{step.says!r} is not in the output of {step.line}:\n{said}"
        if not step.on_server:
            self.runs += re.findall(r"/runs/flow-run/([0-9a-f-]{36})", said)
        if step.awaits:
            self._await_runs()
        if step.live:
            assert self.champion["as_of"] == step.live, said

    def beside(self) -> "Checkout":
        """Another terminal in the same checkout."""
        own = self.environment | {"PREFECT_HOME": str(self.root / ".prefect-beside")}
        return Checkout(self.root, self.line, own, self.server, "beside")

    @property
    def champion(self) -> dict[str, str]:
        path = self.line / "champion.json"
        found: dict[str, str] = json.loads(path.read_text()) if path.is_file() else {}
        return found

    def _start(self, line: str, output: Path, more: dict[str, str]) -> "subprocess.Popen[bytes]":
        newest = max((path.name for path in self.line.glob("models/2*")), default="")
        environment = self.environment | {"NEWEST": newest, "LIVE": self.champion.get("model_id", "")} | more
        script = "\n".join(("set -eu", *self.exports, line))
        with output.open("wb") as file:
            return subprocess.Popen(
                interruptible(("bash", "-c", script)), cwd=self.root, env=environment,
                stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
            )  # fmt: skip

    def _await_runs(self) -> None:
        """Every run that was started completes, in a state of whatever name."""
        assert self.runs
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            found = self.ask("/flow_runs/filter", {"flow_runs": {"id": {"any_": self.runs}}})
            states = {one["id"]: (one["name"], one["state"]) for one in found}
            if all(state["type"] in _ENDED for _, state in states.values()) or time.monotonic() > deadline:
                break
            time.sleep(0.5)
        wrong = {n: (s["name"], s["message"]) for n, s in states.values() if s["type"] != "COMPLETED"}
        assert (len(states), wrong) == (len(self.runs), {})
        self.runs = []

    def _answers(self, path: str) -> Callable[[], bool]:
        def seen() -> bool:
            with suppress(urllib.error.URLError):
                return not path or bool(self.ask(path))
            return False

        return seen

    def ask(self, path: str, body: object = None, *, method: str | None = None) -> Any:
        """What the API of this copy's server answers: to a POST, unless said, when there is a body."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.environment['A_PORT']}/api{path}",
            None if body is None else json.dumps(body).encode(),
            {"content-type": "application/json"},
            method=method,
        )
        return answered(request)

    def end(self) -> None:
        """End what still serves, the newest first: the worker before its server; then what `make up` started."""
        for process in reversed(self.serving):
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.serving = []
        down = ["make", "-o", ".venv/.ready", "down"]
        subprocess.run(down, cwd=self.root, env=self.environment, capture_output=True, check=True)


def checkout_in(root: Path, server: str = "") -> Checkout:
    """A copy in a folder that is not there yet, whose commands see neither this shell's Prefect nor its logs.

    Its deployments have no active schedule: one could start a run in the middle of a test. So the copy differs from its
    commit.
    """
    _copy(root)
    _without_schedules(root / "prefect.yaml")
    own = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    port, another = _free_ports()
    own |= {
        "A_PORT": str(port),
        "ANOTHER_PORT": str(another),
        "PYTHONPATH": str(root),  # the virtual environment knows the checkout that it was made in
        "PREFECT_HOME": str(root / ".prefect"),
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_WORKER_QUERY_SECONDS": "2",
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    return Checkout(root, root / "artifacts" / LINE, own, server)


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as another:
        one.bind(("127.0.0.1", 0))
        another.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1]), int(another.getsockname()[1])


def _copy(target: Path) -> None:
    """The files that git knows or would add, as they are now, and the repository, for `git describe`."""
    subprocess.run(["git", "clone", "--quiet", "--no-checkout", str(ROOT), str(target)], check=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    subprocess.run(["git", "reset", "--quiet"], cwd=target, check=True)
    (target / ".venv").symlink_to(sys.prefix)


def _without_schedules(deployments: Path) -> None:
    text = deployments.read_text(encoding="utf-8")
    inactive, changed = re.subn(r"\bactive: true\b", "active: false", text)
    assert changed == text.count("cron:") > 0
    deployments.write_text(inactive, encoding="utf-8")


def _await(seen: Callable[[], object], process: "subprocess.Popen[bytes]", output: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not seen():
        assert process.poll() is None, f"it ended:\n{output.read_text()}"
        assert time.monotonic() < deadline, f"it was never seen to serve:\n{output.read_text()}"
        time.sleep(0.1)
