"""SIGKILL in the middle of a stage: the next run finishes, and takes over what was complete."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from mtmd.store.files import sha256_file
from tests.flows.kills import Killed, kill_three_times
from tests.flows.runs import AS_OF, LINE, ROOT, TINY, Run, half_written

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def killed(first_run: Run, prefect_server: str, tmp_path_factory: pytest.TempPathFactory) -> Killed:
    return kill_three_times(prefect_server, first_run, tmp_path_factory.mktemp("killed"))


def _days(output: str, what: str) -> int:
    return len(re.findall(rf"\d candidates, {what}", output))


def test_killed_during_extraction_the_next_run_extracts_only_the_other_days(killed: Killed) -> None:
    assert 3 <= killed.shards_at_kill < 21
    assert _days(killed.after_extraction, "reused") == killed.shards_at_kill
    assert _days(killed.after_extraction, "extracted") == 21 - killed.shards_at_kill


def test_killed_during_training_the_next_run_goes_on_from_the_checkpoint(killed: Killed) -> None:
    assert _days(killed.after_training, "reused") == 21
    epochs = [int(epoch) for epoch in re.findall(r"mtmd epoch (\d)/4", killed.after_training)]
    assert epochs in ([2, 3, 4], [3, 4])


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


def _is_alive(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def test_ctrl_c_ends_a_run_at_once_in_words(
    first_run: Run, new_prefect_home: Callable[[Path], Path], tmp_path: Path
) -> None:
    """Also the temporary server, where none is configured."""
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    command = [sys.executable, "-m", "mtmd.flows.daily_retrain", "--preset", TINY, "--as-of", str(AS_OF)]
    command += ["--logs", str(first_run.logs), "--artifacts", str(tmp_path / "artifacts")]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment | {"PREFECT_HOME": str(new_prefect_home(tmp_path / "prefect"))},
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        while not any(tmp_path.glob("artifacts/*/validation/*")):
            assert process.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.02)
        family = psutil.Process(process.pid).children(recursive=True)
        assert family
        pressed = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert time.monotonic() - pressed < 5
        while any(map(_is_alive, family)):
            assert time.monotonic() - pressed < 20
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    said = (tmp_path / "log").read_text()
    assert "stopped; the same command goes on where it was" in said
    assert "Traceback" not in said


def test_nothing_half_written_is_left(killed: Killed) -> None:
    assert half_written(killed.artifacts) == []
    assert "removed" in killed.after_export
    assert "half-written" in killed.after_export
