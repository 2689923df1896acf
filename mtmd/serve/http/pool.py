"""Threads that answer requests, and room for some that wait; a request without room, or too late, must come back."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from http import HTTPStatus
from typing import TypeVar

from mtmd.serve.http.intake import Refused

_Result = TypeVar("_Result")


class Pool:
    """`threads` requests are answered at once, and `queue` wait."""

    def __init__(self, threads: int, queue: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="answer")
        self._room, self._lock = threads + queue, threading.Lock()
        self.taken = 0

    async def run(self, work: Callable[[], _Result], timeout_s: float) -> _Result:
        """The work's result; raises Refused with 503 without room, or when it takes longer than `timeout_s`.

        Work that did not begin by then never does; a thread can't be stopped, so work that did keeps its room.
        """
        with self._lock:
            if self.taken >= self._room:
                raise Refused(
                    HTTPStatus.SERVICE_UNAVAILABLE, f"{self.taken} questions are waiting; come back later"
                )
            self.taken += 1
        running: Future[_Result] = self._executor.submit(work)
        running.add_done_callback(self._leave)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(running), timeout_s)
        except TimeoutError as error:
            raise Refused(
                HTTPStatus.SERVICE_UNAVAILABLE, f"there was no answer within {timeout_s:g} s; come back later"
            ) from error

    def close(self) -> None:
        """Work that runs ends; what waits never begins."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _leave(self, _: Future[_Result]) -> None:
        with self._lock:
            self.taken -= 1
