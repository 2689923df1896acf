"""The service as a process of its own on this machine, and one connection to it."""

import json
import socket
import subprocess
import sys
import time
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

_PATIENCE_S = 300.0
_KIND = {"content-type": "application/json"}


class ServiceProcess:
    """`python -m mtmd.serve.http LINE` on a free port of the loopback; it has ended when the block ends.

    A call has `timeout_s` seconds, by default as many as in production.
    """

    def __init__(self, line: Path, log: Path, timeout_s: float | None = None) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._command = [sys.executable, "-m", "mtmd.serve.http", str(line), "--port", str(self.port)]
        self._command += [] if timeout_s is None else ["--timeout", str(timeout_s)]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def start(self) -> float:
        """Seconds from the start of the process until it is ready; raises RuntimeError when it ends before."""
        began = time.perf_counter()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        while not self._is_ready():
            if self._process.poll() is not None or time.perf_counter() - began > _PATIENCE_S:
                raise RuntimeError(f"the service was never ready:\n{self._log.read_text()}")
            time.sleep(0.02)
        return time.perf_counter() - began

    def kill(self) -> None:
        """With SIGKILL: it has no time for anything."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def without_core_s(self) -> float:
        """Seconds that its threads were ready to run and waited for a core, as Linux counts them."""
        assert self._process is not None
        tasks = Path(f"/proc/{self._process.pid}/task").glob("*/schedstat")
        return sum(int(one.read_text().split()[1]) for one in tasks) / 1e9

    def processor_s(self) -> float:
        """Seconds of processor time that it has used."""
        assert self._process is not None
        times = psutil.Process(self._process.pid).cpu_times()
        return float(times.user + times.system)

    def memory_mb(self) -> float:
        """Memory that is resident now, that of mapped files included."""
        assert self._process is not None
        return float(psutil.Process(self._process.pid).memory_info().rss) / 1e6

    def _is_ready(self) -> bool:
        try:
            with closing(Connection(self.port)) as connection:
                return connection.get("/ready")[0] == 200
        except (OSError, HTTPException):
            return False


class Connection:
    """One client's connection, kept alive."""

    def __init__(self, port: int) -> None:
        self._http = HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)

    def post(self, path: str, question: bytes) -> tuple[int, Any]:
        self._http.request("POST", path, question, _KIND)
        return self._answer()

    def get(self, path: str) -> tuple[int, Any]:
        self._http.request("GET", path)
        return self._answer()

    def text(self, path: str) -> str:
        self._http.request("GET", path)
        return self._http.getresponse().read().decode()

    def close(self) -> None:
        self._http.close()

    def _answer(self) -> tuple[int, Any]:
        answer = self._http.getresponse()
        return answer.status, json.loads(answer.read())
