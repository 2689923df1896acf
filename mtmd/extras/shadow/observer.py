"""Calls that were answered go to a candidate too, in the background.

The live answer is made before, and waits for nothing here: a call is given to a pool of one process, or dropped where
too many wait. A process that dies is replaced after a pause.
"""

import logging
import multiprocessing
import os
import random
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

from prometheus_client import Counter
from starlette.requests import Request

from mtmd.config import Preset
from mtmd.extras.shadow import Settings
from mtmd.extras.shadow.candidate import Shadowing, begin, compare
from mtmd.serve.http.intake import Settings as ServiceSettings

_QUEUE = 32  # calls that wait; beyond, they are dropped
_PAUSE_S = 2.0  # before a process that died is replaced
_log = logging.getLogger(__name__)


def observer(preset: Preset, line: Path, service: ServiceSettings, name: str) -> "Shadow | None":
    """The shadow of a service, whose `name` names its log; None where the preset has none."""
    settings = preset.extras.of(Settings)
    if settings.model is None:
        return None
    return Shadow(Shadowing(line, line / "shadow" / f"{name}.jsonl", service, settings))


class Shadow:
    """The candidate's process, and the calls that wait for it."""

    def __init__(self, shadowing: Shadowing) -> None:
        self._shadowing, self._settings = shadowing, shadowing.settings
        self._lock, self._stopped = threading.Lock(), threading.Event()
        # None before the start, while it is replaced and after the end.
        self._pool: ProcessPoolExecutor | None = None
        self._waiting = 0
        # compared, failed, no_candidate; dropped: too many wait, or no process is there; lost: it died
        words = "Calls that a candidate answered too, or could not"
        self.collector = Counter("mtmd_shadow", words, ["outcome"], registry=None)

    def start(self) -> None:
        """Start the process, which takes seconds, in the background."""
        self._start_after(0.0)

    def stop(self) -> None:
        """What waits is never compared."""
        self._stopped.set()
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)

    def answered(self, request: Request, body: bytes, answer: bytes) -> None:
        """A call that was answered; takes microseconds, and never raises."""
        if request.query_params.get("model") != "candidate" and random.random() >= self._settings.share:
            return
        with self._lock:
            pool = self._pool
            if pool is None or self._waiting >= _QUEUE:
                self._count("dropped")
                return
            try:
                running = pool.submit(compare, body, answer)
            except BrokenProcessPool:
                self._lost(pool)
                return
            self._waiting += 1
        running.add_done_callback(partial(self._ended, pool))

    def _ended(self, pool: ProcessPoolExecutor, running: Future[str]) -> None:
        with self._lock:
            self._waiting -= 1
            if running.cancelled():
                return
            if running.exception() is not None:
                self._lost(pool)
            else:
                self._count(running.result())

    def _lost(self, pool: ProcessPoolExecutor) -> None:
        """The process died over a call; callers hold the lock."""
        self._count("lost")
        if self._pool is pool:
            _log.warning("the candidate's process died, and is replaced")
            self._pool = None
            self._start_after(_PAUSE_S)

    def _start_after(self, pause_s: float) -> None:
        timer = threading.Timer(pause_s, self._begin)
        timer.daemon = True
        timer.start()

    def _begin(self) -> None:
        """Make the pool, and use it when its process is there."""
        if self._stopped.is_set():
            return
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(1, context, initializer=begin, initargs=(self._shadowing,))
        try:
            pool.submit(os.getpid).result()
        except BrokenProcessPool:
            self._start_after(_PAUSE_S)
            return
        with self._lock:
            if not self._stopped.is_set():
                self._pool = pool
                return
        pool.shutdown(wait=False)

    def _count(self, outcome: str) -> None:
        self.collector.labels(outcome).inc()
