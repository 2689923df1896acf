"""Processes of the daily flow that are killed in the middle of a stage."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.flows.runs import AS_OF, LINE, ROOT, TINY, Run, half_written

_PATIENCE_S = 600.0  # nothing is said about time here; two slow, busy cores took 211 s for the last run


@dataclass(frozen=True)
class Daily:
    """The daily flow as a process of its own, which reports to the tests' server."""

    server: str
    logs: Path
    artifacts: Path

    def start(self, output: Path, *program: str) -> "subprocess.Popen[bytes]":
        command = [
            sys.executable,
            "-m",
            *program,
            "--preset",
            TINY,
            "--as-of",
            str(AS_OF),
            "--no-ablations",
            "--verbose",
        ]
        command += ["--logs", str(self.logs), "--artifacts", str(self.artifacts)]
        environment = os.environ | {"PREFECT_API_URL": self.server}
        with output.open("wb") as file:
            return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=file)

    def kill_when(self, reached: Callable[[str], bool], output: Path, stage: str) -> str:
        """Kill the process as soon as its output so far, or the artifacts, are far enough; returns the output.

        It does not get past the stage.
        """
        process = self.start(output, "tests.flows.held", stage)
        try:
            deadline = time.monotonic() + _PATIENCE_S
            while not reached(output.read_text()):
                assert process.poll() is None, f"ended before it was killed:\n{output.read_text()}"
                assert time.monotonic() < deadline, f"never got there:\n{output.read_text()}"
                time.sleep(0.005)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        return output.read_text()

    def finish(self, output: Path) -> str:
        process = self.start(output, "mtmd.flows.daily_retrain")
        try:
            status = process.wait(_PATIENCE_S)
        finally:
            process.kill()
            process.wait()
        assert status == 0, output.read_text()
        return output.read_text()


@dataclass(frozen=True)
class Killed:
    """What four processes in a row printed and left: three were killed, the last one finished."""

    artifacts: Path
    shards_at_kill: int
    after_extraction: str
    after_training: str
    after_export: str


def kill_three_times(server: str, undisturbed: Run, directory: Path) -> Killed:
    """Kill a run while it extracts, the next one while it trains, the third while it exports; let one finish.

    What is not killed is there already: validations and the rivals' trainings. Tracing
    takes seconds, so that the third run is killed long before its export ends.
    """
    root = directory / "artifacts" / LINE
    for kept in ("validation", "trained/per_slice-*", "trained/pooled-*"):
        for path in undisturbed.root.glob(kept):
            shutil.copytree(path, root / path.relative_to(undisturbed.root))
    daily = Daily(server, undisturbed.logs, directory / "artifacts")

    def shards() -> int:
        return sum(not path.name.startswith(".tmp-") for path in root.glob("shards/date=*/*"))

    def some_shards(_: str) -> bool:
        return shards() >= 3

    def second_epoch(output: str) -> bool:
        return "mtmd epoch 2/" in output

    def one_file_exported(_: str) -> bool:
        return any(root.glob("models/.tmp-*/*.onnx"))

    daily.kill_when(some_shards, directory / "1.log", "extract")
    at_kill = shards()
    second = daily.kill_when(second_epoch, directory / "2.log", "train")
    third = daily.kill_when(one_file_exported, directory / "3.log", "export")
    assert half_written(directory / "artifacts") != []  # the export was really cut off
    return Killed(directory / "artifacts", at_kill, second, third, daily.finish(directory / "4.log"))
