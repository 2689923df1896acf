"""Trainings side by side, each in a process of its own.

Each has one thread: a second one gains little where the cores are a training's own, and costs much where they are not
(docs/lab/decisions.md). So a training's bits depend neither on the machine's cores nor on what else is trained, unless
somebody says that waiting threads may spin (GOMP_SPINCOUNT). Then trainings share the threads.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from logging.handlers import QueueHandler
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from threading import Lock, Thread
from types import SimpleNamespace

import torch

from mtmd.config import Preset
from mtmd.errors import MtmdError, TrainingError
from mtmd.model.ranker import choose_device
from mtmd.train import stage
from mtmd.train.results import OnProgress
from mtmd.train.stage import TrainingJob

_CODE = "from mtmd.train.processes import serve; serve({})"
_AGAIN = "run again: it goes on from its last checkpoint"
_log = logging.getLogger(__name__)


def shared(trainings: int, *presets: Preset) -> tuple[int, int]:
    """How many of a run's trainings go on at once on this machine, and the threads of each.

    As many as torch has threads in this process: OMP_NUM_THREADS, or else the cores. On a GPU, and with ranks, which
    share the threads, they run one after the other.
    """
    threads = torch.get_num_threads()
    is_alone = any(
        choose_device(preset.training.device).type != "cpu" or stage.launcher_of(preset) for preset in presets
    )
    may_spin = "GOMP_SPINCOUNT" in os.environ
    each = threads if is_alone else max(1, threads // max(1, trainings)) if may_spin else 1
    return max(1, min(trainings, threads // each)), each


@contextmanager
def sharing(at_once: int, threads: int) -> Iterator[None]:
    """What `stage.train` makes inside of this has so many threads: here where one goes on at once, or else `apart`."""
    if at_once > 1:
        with apart(threads):
            yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def apart(threads: int) -> Iterator[None]:
    """What `stage.train` makes inside of this is made by processes with so many threads each.

    That holds for threads that have a copy of the context too. No process is left running at the end: what one had not
    finished goes on from its last checkpoint in the next run.
    """
    processes = Processes(threads)
    before = stage.apart.set(processes.run)
    try:
        yield
    finally:
        stage.apart.reset(before)
        processes.end()


class Processes:
    """Processes that train, for each of which a thread of this one waits.

    They do not belong to the terminal's foreground: Ctrl-C reaches this process alone. They end when this one does,
    however that happens.
    """

    def __init__(self, threads: int) -> None:
        self._threads, self._is_over = threads, False
        self._running: list[subprocess.Popen[bytes]] = []
        self._lock = Lock()

    def run(self, job: TrainingJob, on_progress: OnProgress | None) -> None:
        """As `run_job`; raises what that raised in the process, and TrainingError where the process was ended."""
        ours, theirs = Pipe()
        with ours:
            with theirs:
                process = self._started(theirs.fileno())
            try:
                ours.send((job.model_dump_json(), self._threads))
                failed, is_lost = _heard(ours, on_progress), False
            except (EOFError, ConnectionError):
                failed, is_lost = None, True
            finally:
                process.kill()
                status = process.wait()
        if is_lost:
            raise self._lost(job, status)
        if failed is not None:
            raise failed

    def end(self) -> None:
        """Kill those that run, and start none any more."""
        with self._lock:
            self._is_over = True
            for process in self._running:
                process.kill()

    def _started(self, handle: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", _CODE.format(handle)]
        with self._lock:
            if self._is_over:
                raise TrainingError("not begun, because the run ends", _AGAIN)
            process = subprocess.Popen(command, pass_fds=[handle], stdin=subprocess.DEVNULL, process_group=0)
            self._running.append(process)
        return process

    def _lost(self, job: TrainingJob, status: int) -> TrainingError:
        name = job.variant or job.kind
        if self._is_over:
            return TrainingError(f"{name}: ended before it was done, because the run ends", _AGAIN)
        return TrainingError(
            f"{name}: its process ended with status {status}; if the machine has too little memory for several at "
            f"once, set OMP_NUM_THREADS=1, which trains one after the other; {_AGAIN}"
        )


def _heard(there: Connection, on_progress: OnProgress | None) -> Exception | None:
    """Pass on what a process says; returns the error that ended its training, if one did."""
    while (said := there.recv()) is not None:
        if isinstance(said, Exception):
            return said
        if isinstance(said, logging.LogRecord):
            logging.getLogger(said.name).handle(said)
        elif on_progress is not None:
            on_progress(said)
    return None


def serve(handle: int) -> None:
    """Train in this process, and tell the one that started it: progress, what is logged, the error or None."""
    there = Connection(handle)
    job, threads = there.recv()
    Thread(target=_end_with, args=(there,), daemon=True).start()
    queue = SimpleNamespace(put_nowait=there.send)
    logging.getLogger().addHandler(QueueHandler(queue))
    torch.set_num_threads(threads)
    try:
        stage.run_job(TrainingJob.model_validate_json(job), there.send)
    except Exception as error:  # noqa: BLE001 - the process that waits raises it
        if not isinstance(error, MtmdError):
            _log.error("a training failed where nobody meant it to:", exc_info=error)
        there.send(_portable(error))
    else:
        there.send(None)


def _portable(error: Exception) -> Exception:
    """The error, or another one with its words where it can't be sent."""
    with suppress(Exception):
        ForkingPickler.loads(ForkingPickler.dumps(error))
        return error
    return RuntimeError(f"{type(error).__name__}: {error}")


def _end_with(there: Connection) -> None:
    """End this process when the other end of the connection is closed; it says nothing more."""
    with suppress(EOFError, ConnectionError):
        there.recv()
    os._exit(1)
