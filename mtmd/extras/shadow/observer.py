"""Calls that were answered go to a candidate too, in the background.

The live answer is made before, and waits for nothing here: a call is put into a queue, or dropped where the queue is
full. A thread passes it on to the candidate's process and waits for the outcome. A process that dies or hangs is
replaced.
"""

import logging
import multiprocessing
import random
import threading
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from queue import Empty, Full, Queue

from prometheus_client import Counter
from starlette.requests import Request

from mtmd.config import Preset
from mtmd.extras.shadow.candidate import Shadowing, run
from mtmd.extras.shadow.comparison import Why
from mtmd.extras.shadow.settings import Settings
from mtmd.serve.http.intake import Settings as ServiceSettings

_START_PATIENCE_S = 300.0  # for a process that loads its model, on a crowded machine
_LONGEST_PAUSE_S = 60.0  # before a process that dies again and again is replaced
_log = logging.getLogger(__name__)


def observer(preset: Preset, line: Path, service: ServiceSettings, name: str) -> "Shadow | None":
    """The shadow of a service, whose `name` names its log; None where the preset has none."""
    settings = preset.extra(Settings)
    if settings.model is None:
        return None
    return Shadow(Shadowing(line, line / "shadow" / f"{name}.jsonl", service, settings))


class Shadow:
    """The queue, the thread and the candidate's process."""

    def __init__(self, shadowing: Shadowing) -> None:
        self._shadowing, self._settings = shadowing, shadowing.settings
        self._queue: Queue[tuple[Why, bytes, bytes]] = Queue(self._settings.queue)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        # compared, failed, no_candidate; dropped; lost: the process died or hung over it
        words = "Calls that a candidate answered too, or could not"
        self.collector = Counter("mtmd_shadow", words, ["outcome"], registry=None)

    def start(self) -> None:
        """Start the process, and pass on what is answered from now on."""
        self._thread.start()

    def stop(self) -> None:
        """What waits is never compared."""
        self._stop.set()
        self._end_process()
        if self._thread.is_alive():
            self._thread.join()
        self._end_process()

    def answered(self, request: Request, body: bytes, answer: bytes) -> None:
        """A call that was answered; takes microseconds, and never raises."""
        asked = request.query_params.get("model") == "candidate"
        if not asked and random.random() >= self._settings.share:
            return
        try:
            self._queue.put_nowait(("asked" if asked else "share", body, answer))
        except Full:
            self._count("dropped")

    def _count(self, outcome: str) -> None:
        self.collector.labels(outcome).inc()

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            try:
                connection = self._connection or self._begin_process()
                if (call := self._next()) is not None:
                    connection.send(call)
                    self._count(self._receive(connection, self._settings.patience_s))
                    failures = 0
            except (EOFError, OSError) as error:
                if self._stop.is_set():
                    return
                failures += 1
                self._count("lost")
                _log.warning("the candidate's process is replaced: %r", error)
                self._end_process()
                self._stop.wait(min(2.0**failures, _LONGEST_PAUSE_S))

    def _next(self) -> tuple[Why, bytes, bytes] | None:
        """The next call; None after a while without one, so that the thread sees when it must stop."""
        try:
            return self._queue.get(timeout=0.2)
        except Empty:
            return None

    def _begin_process(self) -> Connection:
        spawn = multiprocessing.get_context("spawn")
        connection, theirs = spawn.Pipe()
        process = spawn.Process(target=run, args=(theirs, self._shadowing), name="candidate", daemon=True)
        process.start()
        theirs.close()
        self._process, self._connection = process, connection  # from here on `stop` ends it
        self._receive(connection, _START_PATIENCE_S)
        return connection

    def _receive(self, connection: Connection, patience_s: float) -> str:
        """Raises EOFError or OSError for a process that died, TimeoutError, an OSError, for one that hangs."""
        if not connection.poll(patience_s):
            raise TimeoutError(f"it said nothing for {patience_s:g} s")
        said: str = connection.recv()
        return said

    def _end_process(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None
