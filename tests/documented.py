"""The commands of README and docs, and a copy of the checkout to run commands in."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.processes import interruptible
from tests.flows.runs import LINE, ROOT, answered

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
_PROGRAM = r"(?:\.venv/bin/|(?:make|mtmd|prefect|python) )"
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
    """A documented command with more arguments, and a pattern that its output has."""

    command: str
    add: str = ""
    says: str = ""

    @property
    def line(self) -> str:
        """What bash runs: the virtual environment is not installed anew."""
        return re.sub(r"^make ", "make -o .venv/.ready ", f"{self.command} {self.add}".strip())


@dataclass
class Checkout:
    """A copy of this checkout with logs, artifacts and a platform of its own, in which commands run as documented."""

    root: Path
    line: Path  # artifacts of the line of models
    environment: dict[str, str]

    def take(self, step: Step) -> None:
        """Run one step; fails when the command does, or when its output lacks the step's pattern."""
        output = self.root / ".output"
        with output.open("wb") as file:
            status = subprocess.Popen(
                interruptible(("bash", "-c", f"set -eu\n{step.line}")), cwd=self.root, env=self.environment,
                stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
            ).wait(_PATIENCE_S)  # fmt: skip
        said = output.read_text()
        assert status == 0, f"exit status {status}: {step.line}\n{said}"
        assert re.search(step.says, said), f"{step.says!r} is not in the output of {step.line}:\n{said}"

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
        """End what `make up` started."""
        down = ["make", "-o", ".venv/.ready", "down"]
        subprocess.run(down, cwd=self.root, env=self.environment, capture_output=True, check=True)


def checkout_in(root: Path) -> Checkout:
    """A copy in a folder that is not there yet, whose commands see neither this shell's Prefect nor its logs.

    Its deployments have no active schedule: one could start a run in the middle of a test. So the copy differs from its
    commit.
    """
    _copy(root)
    _without_schedules(root / "prefect.yaml")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    port, another = _free_ports()
    return Checkout(
        root,
        root / "artifacts" / LINE,
        kept
        | {
            "A_PORT": str(port),
            "ANOTHER_PORT": str(another),
            "PYTHONPATH": str(root),  # the virtual environment knows the checkout that it was made in
            "PREFECT_HOME": str(root / ".prefect"),
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            "OMP_WAIT_POLICY": "PASSIVE",
        },
    )


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
        source = ROOT / name
        if source.is_symlink() or source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name, follow_symlinks=False)
    subprocess.run(["git", "reset", "--quiet"], cwd=target, check=True)
    (target / ".venv").symlink_to(sys.prefix)


def _without_schedules(deployments: Path) -> None:
    text = deployments.read_text(encoding="utf-8")
    inactive, changed = re.subn(r"\bactive: true\b", "active: false", text)
    assert changed == text.count("cron:") > 0
    deployments.write_text(inactive, encoding="utf-8")
