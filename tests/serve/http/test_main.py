"""The service as a process: it starts, is killed, starts again, and ends when it is told to."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mtmd.serve.http import __main__ as service
from tests.serve.http.conftest import Client, Line


def started(root: Path, log: Path) -> "tuple[subprocess.Popen[bytes], Client]":
    """A process that is ready."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "mtmd.serve.http", str(root), "--port", "0"], stdout=file, stderr=file
        )
    deadline = time.monotonic() + 60
    while not (found := re.search(r"running on http://127\.0\.0\.1:(\d+)", log.read_text())):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process, Client(int(found[1]))


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


def test_a_limit_that_is_none_is_an_error_that_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert service.main([str(tmp_path), "--threads", "0"]) == 1
    words = "error: the options of the service are wrong:\n  threads (0) must be greater than or equal to 1\n"
    assert capsys.readouterr().err == words
