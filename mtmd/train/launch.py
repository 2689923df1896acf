"""The processes of a training on several ranks, seen from the one that starts them.

They are started as `torchrun` would start them on one machine: RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and
MASTER_PORT, and a store that outlives each of them. The first rank reports; a rank that ends early ends the others. A
training that was ended so goes on from its last checkpoint when it is started again.
"""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import NamedTuple

import torch
import torch.distributed as dist

from mtmd.config import Frozen
from mtmd.errors import TrainingError
from mtmd.extract.shards import ShardRef
from mtmd.model.build import ModelKind
from mtmd.run import RunPlan
from mtmd.store.files import write_text
from mtmd.train.results import Progress
from mtmd.train.warm import WarmStart

HOST = "127.0.0.1"
_LOOK_S = 0.1  # how often the ranks are looked after
_END_S = 10.0  # that a rank has to end by itself
_log = logging.getLogger(__name__)


class RankJob(Frozen):
    """What every rank of a training is told, in a file."""

    plan: RunPlan
    kind: ModelKind
    window: tuple[ShardRef, ...]
    start: WarmStart | None
    work: str
    directory: str
    moments: str | None


class Report(Frozen):
    """A line that a rank writes on its standard output."""

    progress: Progress | None = None
    error: str | None = None
    details: str = ""


class _Said(NamedTuple):
    rank: int
    report: Report


class _Started(NamedTuple):
    """The ranks' processes, the threads that read what they say, and what is read."""

    processes: list[subprocess.Popen[str]]
    readers: list[Thread]
    said: "SimpleQueue[_Said]"


def run_ranks(job: RankJob, ranks: int, on_progress: Callable[[Progress], None] | None) -> None:
    """Train on so many ranks until all of them are done; what they wrote is in the job's directory.

    Raises TrainingError that names the rank which ended first, with what it said. What `on_progress` raises ends all
    ranks.
    """
    file = Path(job.directory) / ".ranks.json"
    write_text(file, job.model_dump_json())
    store = dist.TCPStore(HOST, 0, is_master=True, wait_for_workers=False)  # type: ignore[attr-defined]
    try:
        with _started(file, ranks, store.port) as started:
            _attend(started, on_progress)
    finally:
        file.unlink()


@contextmanager
def _started(file: Path, ranks: int, port: int) -> Iterator[_Started]:
    """The processes; none of them is left at the end. Each ends when its standard input is closed."""
    started = _Started([], [], SimpleQueue())
    processes = started.processes
    try:
        for rank in range(ranks):
            command = [sys.executable, "-m", "mtmd.train.rank", str(file)]
            environment = rank_environment(os.environ, rank, ranks, port)
            processes.append(
                subprocess.Popen(
                    command,
                    env=environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    encoding="utf-8",
                )
            )
            started.readers.append(Thread(target=_read, args=(rank, processes[rank], started.said)))
            started.readers[rank].start()
        yield started
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
        _end(started)


def _end(started: _Started) -> None:
    for process, reader in zip(started.processes, started.readers, strict=True):
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def rank_environment(inherited: Mapping[str, str], rank: int, ranks: int, port: int) -> dict[str, str]:
    """The environment of a rank; the ranks have the threads of this process between them."""
    threads = max(1, torch.get_num_threads() // ranks)
    # The address of the machine's name is often none that it listens on; all ranks are on this machine.
    interface = {"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}
    return {
        **interface,
        **inherited,
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(ranks),
        "LOCAL_WORLD_SIZE": str(ranks),
        "MASTER_ADDR": HOST,
        "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",  # the store is ours, and outlives the first rank
        "OMP_NUM_THREADS": str(threads),
    }


def _attend(started: _Started, on_progress: Callable[[Progress], None] | None) -> None:
    """Pass reports on until every rank has ended well; raise TrainingError as soon as one has not."""
    errors: dict[int, Report] = {}
    while True:
        codes = [process.poll() for process in started.processes]
        for code, reader in zip(codes, started.readers, strict=True):
            if code is not None:
                reader.join()  # so that all that it said is there
        errors |= _heard(started.said, on_progress)
        if any(codes):
            raise _failure(codes, errors)
        if all(code == 0 for code in codes):
            return
        time.sleep(_LOOK_S)


def _read(rank: int, process: subprocess.Popen[str], said: "SimpleQueue[_Said]") -> None:
    """Everything that a rank says; other lines on its standard output are passed on to the log."""
    assert process.stdout is not None
    for line in process.stdout:
        try:
            said.put(_Said(rank, Report.model_validate_json(line)))
        except ValueError:
            _log.info("rank %d: %s", rank, line.rstrip())


def _heard(said: "SimpleQueue[_Said]", on_progress: Callable[[Progress], None] | None) -> dict[int, Report]:
    """Pass on the progress that was said by now; the errors, by the rank."""
    errors: dict[int, Report] = {}
    while True:
        try:
            rank, report = said.get_nowait()
        except Empty:
            return errors
        if report.progress is not None and on_progress is not None:
            on_progress(report.progress)
        if report.error is not None:
            errors[rank] = report


def _failure(codes: list[int | None], errors: Mapping[int, Report]) -> TrainingError:
    """What ended the training: a signal before an error, as a rank that was killed breaks the others' connections."""
    ranks, again = (
        len(codes),
        "The others were ended. Run again: the training goes on from its last checkpoint",
    )
    for rank, code in enumerate(codes):
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            return TrainingError(f"rank {rank} of {ranks} (numbered from 0) was ended by {name}. {again}")
    own = {rank: report for rank, report in errors.items() if not report.details}
    for rank, report in (own or dict(errors)).items():
        if report.details:
            _log.error("rank %d of %d:\n%s", rank, ranks, report.details)
            return TrainingError(f"rank {rank} of {ranks} (numbered from 0) failed: {report.error}. {again}")
        return TrainingError(f"{report.error} (said by rank {rank} of {ranks})")
    rank = next(rank for rank, code in enumerate(codes) if code)
    return TrainingError(f"rank {rank} of {ranks} (numbered from 0) ended with status {codes[rank]}. {again}")
