"""The service as a process: it starts, is killed, starts again, and ends when it is told to."""

import signal
import subprocess
import sys
from pathlib import Path

from tests.serve.http.conftest import Client, Line, ready


def started(root: Path, log: Path) -> "tuple[subprocess.Popen[bytes], Client]":
    """A process that is ready."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "mtmd.serve.http", str(root), "--port", "0"], stdout=file, stderr=file
        )
    return process, ready(process, log)


def test_a_killed_service_starts_again_and_a_terminated_one_ends(line: Line, tmp_path: Path) -> None:
    line.promote(0)
    process, client = started(line.root, tmp_path / "1.log")
    try:
        assert client.get("/ready")[0] == 200
        process.kill()
        process.wait()
        process, client = started(line.root, tmp_path / "2.log")
        assert client.get("/ready")[0] == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) in {0, -signal.SIGTERM}
    finally:
        process.kill()
        process.wait()
    assert "serving model-0 with the ads of 2026-01-21" in (tmp_path / "2.log").read_text()
