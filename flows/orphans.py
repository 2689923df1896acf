"""Ends what a process that was killed would leave: processes that run days of a backfill, and a temporary server."""

import multiprocessing
import os
from functools import cache
from threading import Thread

import psutil

SERVER = "prefect.server.api.server:create_app"


@cache  # once for each process
def end_with_parent() -> None:
    """Let this process of a pool end when the process that started the pool has ended, such as by the kernel.

    It would wait for its next task for ever, and keep its memory. Files are written whole, so none is left half.
    """
    if (parent := multiprocessing.parent_process()) is not None:

        def watch() -> None:
            parent.join()
            os._exit(1)

        Thread(target=watch, name="parent", daemon=True).start()


def is_server(process: psutil.Process) -> bool:
    """Whether this is a temporary server of Prefect's."""
    try:
        return SERVER in process.cmdline()
    except psutil.Error:
        return False
