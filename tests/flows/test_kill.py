"""SIGKILL in the middle of a stage: the next run finishes, and takes over what was complete."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mtmd.storage import sha256_file
from tests.flows.runs import AS_OF, LINE, ROOT, TINY, Run, half_written

_PATIENCE_S = 240.0


@dataclass(frozen=True)
class Daily:
    """The daily flow as a process of its own, which reports to the tests' server."""

    server: str
    logs: Path
    artifacts: Path

    def start(self, output: Path) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "flows.daily_retrain", "--preset", TINY, "--as-of", str(AS_OF)]
        command += ["--logs", str(self.logs), "--artifacts", str(self.artifacts)]
        environment = os.environ | {"PREFECT_API_URL": self.server}
        with output.open("wb") as file:
            return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=file)

    def kill_when(self, reached: Callable[[str], bool], output: Path) -> str:
        """Kill the process as soon as its output so far, or the artifacts, are far enough; returns the output."""
        process = self.start(output)
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
        process = self.start(output)
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


@pytest.fixture(scope="module")
def killed(first_run: Run, prefect_server: str, tmp_path_factory: pytest.TempPathFactory) -> Killed:
    directory = tmp_path_factory.mktemp("killed")
    root = directory / "artifacts" / LINE
    daily = Daily(prefect_server, first_run.logs, directory / "artifacts")

    def shards() -> int:
        return sum(not path.name.startswith(".tmp-") for path in root.glob("shards/date=*/*"))

    def some_shards(_: str) -> bool:
        return shards() >= 3

    def second_epoch(output: str) -> bool:
        return "mtmd epoch 2/" in output

    def one_file_exported(_: str) -> bool:
        return any(root.glob("models/.tmp-*/*.onnx"))

    daily.kill_when(some_shards, directory / "1.log")
    at_kill = shards()
    second = daily.kill_when(second_epoch, directory / "2.log")
    third = daily.kill_when(one_file_exported, directory / "3.log")
    assert half_written(directory / "artifacts") != []  # the export was really cut off
    return Killed(directory / "artifacts", at_kill, second, third, daily.finish(directory / "4.log"))


def _days(output: str, what: str) -> int:
    return len(re.findall(rf"\d candidates, {what}", output))


def test_killed_during_extraction_the_next_run_extracts_only_the_other_days(killed: Killed) -> None:
    assert 3 <= killed.shards_at_kill < 21
    assert _days(killed.after_extraction, "reused") == killed.shards_at_kill
    assert _days(killed.after_extraction, "extracted") == 21 - killed.shards_at_kill


def test_killed_during_training_the_next_run_goes_on_from_the_checkpoint(killed: Killed) -> None:
    assert _days(killed.after_training, "reused") == 21
    epochs = [int(epoch) for epoch in re.findall(r"mtmd epoch (\d)/5", killed.after_training)]
    assert epochs in ([2, 3, 4, 5], [3, 4, 5])


def test_killed_during_export_the_next_run_reuses_all_but_the_export(killed: Killed) -> None:
    (summary,) = killed.artifacts.glob(f"{LINE}/runs/*/summary.json")
    assert json.loads(summary.read_text())["reused"] == {
        "validated days": "21 of 21",
        "shards": "21 of 21",
        "trained models": "3 of 3",
        "evaluation": "1 of 1",
        "exported model": "0 of 1",
    }


def test_the_model_is_that_of_an_undisturbed_run(killed: Killed, first_run: Run) -> None:
    def result(artifacts: Path) -> dict[str, str]:
        root = artifacts / LINE
        champion = json.loads((root / "champion.json").read_text())["model_id"]
        manifest = json.loads((root / "models" / champion / "manifest.json").read_text())
        weights = {path.parent.name: sha256_file(path) for path in root.glob("trained/*/*.safetensors")}
        return weights | {"champion": champion, "bundle": manifest["bundle_id"]} | manifest["files"]

    assert len(result(killed.artifacts)) >= 5
    assert result(killed.artifacts) == result(first_run.artifacts)


def test_nothing_half_written_is_left(killed: Killed) -> None:
    assert half_written(killed.artifacts) == []
    assert "removed" in killed.after_export
    assert "half-written" in killed.after_export
