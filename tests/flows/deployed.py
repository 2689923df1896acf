"""The platform of `make up`, for the tests: its command line and its API."""

import json
import socket
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.platform import Platform
from mtmd.registry import Registry
from tests.flows.runs import LINE, ROOT, TINY

_PATIENCE_S = 300.0


@dataclass(frozen=True)
class Deployed:
    """The platform of `make up`, with logs and artifacts of its own."""

    platform: Platform
    logs: Path

    def prefect(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(Path(sys.executable).with_name("prefect")), "--no-prompt", *arguments],
            cwd=ROOT,
            env=self.platform.environment,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )

    def run(self, deployment: str, *options: str, **parameters: Any) -> "subprocess.CompletedProcess[str]":
        """Run a deployment on the tiny preset and wait for its end."""
        places = {"preset": TINY, "logs": str(self.logs), "artifacts": str(self.platform.artifacts)}
        pairs = [f"{name}={json.dumps(value)}" for name, value in (places | parameters).items()]
        flags = [part for pair in pairs for part in ("--param", pair)]
        return self.prefect(
            "deployment", "run", deployment, *flags, *options, "--watch", "--watch-interval", "1"
        )

    def ask(self, path: str, **body: Any) -> Any:
        """What the server's API answers to a POST."""
        request = urllib.request.Request(
            f"{self.platform.api}{path}", json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    @property
    def registry(self) -> Registry:
        return Registry(self.platform.artifacts / LINE)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
