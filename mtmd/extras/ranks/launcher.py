"""Start the ranks of a training by torchrun, and hear what they report.

The ranks are processes on this machine: `torch.distributed.run` starts them, and ends all of them when one fails. The
first rank reports. A training that was ended goes on from its last checkpoint when it is started again. Each rank ends
when the standard input that it inherits is closed, which is when this process ends, however that happens.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from mtmd.config import Frozen, Preset
from mtmd.errors import ConfigError, TrainingError
from mtmd.extras.ranks import Settings
from mtmd.store.files import write_text
from mtmd.train.results import OnProgress, Progress
from mtmd.train.stage import TrainingJob

_RANK = "mtmd.extras.ranks.rank"  # what each of them runs
_END_S = 10.0  # that the ranks have to end by themselves
_AGAIN = "The others were ended. Run again: the training goes on from its last checkpoint"
_log = logging.getLogger(__name__)


class Report(Frozen):
    """A line that a rank writes on its standard output: its progress, or why it failed."""

    rank: int
    progress: Progress | None = None
    failed: str = ""
    refused: bool = False  # by a check of ours, which says what to do


def ranks(preset: Preset) -> int:
    """How many processes a training of this preset has."""
    return preset.extras.of(Settings).count


def require_machine(preset: Preset) -> None:
    """Raise ConfigError for more ranks than GPUs."""
    count = ranks(preset)
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if preset.training.device != "cpu" and gpus and count > gpus:
        raise ConfigError(
            f"extras.ranks.count ({count}) must be at most the number of GPUs ({gpus}): each rank has one; lower it, "
            'or set training.device = "cpu"'
        )


def run(job: TrainingJob, on_progress: OnProgress | None) -> None:
    """Train on the preset's ranks until all of them are done; what they wrote is in the job's directory.

    Raises TrainingError with what the rank said that failed. What `on_progress` raises ends all ranks.
    """
    count, file = ranks(job.plan.preset), Path(job.directory) / ".ranks.json"
    write_text(file, job.model_dump_json())
    failed: list[Report] = []
    try:
        with _started(file, count) as process:
            for report in _reports(process):
                if report.progress is None:
                    failed.append(report)
                elif on_progress is not None:
                    on_progress(report.progress)
            status = process.wait()
    finally:
        file.unlink()
    # What a rank refused comes before what broke, as that breaks the others' connections.
    for report in sorted(failed, key=lambda one: not one.refused):
        again = "" if report.refused else f". {_AGAIN}"
        raise TrainingError(f"{report.failed} (said by rank {report.rank} of {count}){again}")
    if status:
        raise TrainingError(
            f"the training on {count} ranks ended with status {status} of torchrun, whose messages say which rank was "
            f"ended, and how. {_AGAIN}"
        )


@contextmanager
def _started(file: Path, count: int) -> Iterator[subprocess.Popen[str]]:
    """torchrun and its ranks, which have the threads of this process between them; none of them is left at the end."""
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1"),
        *(f"--nproc-per-node={count}", "-m", _RANK, str(file)),
    ]
    # The address of the machine's name is often none that it listens on; all ranks are on this machine.
    interface = {"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}
    environment = interface | os.environ | {"OMP_NUM_THREADS": str(max(1, torch.get_num_threads() // count))}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, env=environment, stdin=pipe, stdout=pipe, text=True, encoding="utf-8"
    ) as process:
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()  # its ranks see it
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _reports(process: subprocess.Popen[str]) -> Iterator[Report]:
    """All that the ranks say; other lines on their standard output are passed on to the log."""
    assert process.stdout is not None
    for line in process.stdout:
        try:
            yield Report.model_validate_json(line)
        except ValueError:
            _log.info("ranks: %s", line.rstrip())
