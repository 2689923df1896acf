"""A Prefect server for one run, in a process of its own, where PREFECT_API_URL names none.

Prefect has one too, but starts it when a run first asks for it, and imports the server into the client for that. This
one is imported while the client still is, and registers no blocks: no flow here has any.
"""

import atexit
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread

from mtmd.errors import ConfigError

_SETTINGS = {
    "PREFECT_SERVER_UI_ENABLED": "false",
    "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
    "PREFECT_SERVER_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false",  # it would import what could have blocks
    # One at a time it does not keep up with a run that has nothing to do, and its end would lose the last ones.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
}
_END_S = 5.0  # for what it has still to write
_begun: "list[tuple[subprocess.Popen[bytes], str]]" = []


def begin() -> None:
    """Start the server that a command needs presumably, before its client is imported."""
    if not (os.environ.get("PREFECT_API_URL") or "prefect" in sys.modules or {"-h", "--help"} & {*sys.argv}):
        _begun.append(_started())
        atexit.register(_end_begun)


def _end_begun() -> None:
    """Wait for the end of one that no run took, as its command was refused. It is not killed: it may make tables."""
    for process, _ in _begun:
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=_END_S)


@contextmanager
def own_server() -> Iterator[str]:
    """A server that answers, and ends with this: the address of its API. Raises ConfigError where it fails to start."""
    import httpx  # noqa: PLC0415 - `begin` comes before whatever takes long to import

    process, address = _begun.pop() if _begun else _started()
    # mtmd.flows has a default.
    patience_s = float(os.environ["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"])
    try:
        try:
            httpx.get(f"{address}/health", timeout=patience_s).raise_for_status()
        except httpx.HTTPError as error:
            words = f"a temporary Prefect server did not answer within {patience_s:g} s: {error!r}"
            raise ConfigError(words, "mend what it says above; or let PREFECT_API_URL name one") from error
        yield address
    finally:
        try:
            process.communicate(timeout=_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _started() -> "tuple[subprocess.Popen[bytes], str]":
    """A server's process, which ends with this one, however that ends; and its address, where requests can wait."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        number = listening.fileno()
        command = [sys.executable, "-P", "-m", "mtmd.flows.server", f"{number}"]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            env=os.environ | _SETTINGS,
            pass_fds=[number],
            start_new_session=True,
        )
        return process, f"http://127.0.0.1:{listening.getsockname()[1]}/api"


def _serve(number: int) -> None:
    """Serve at the socket, unless a setting names another server: then the client needs none."""
    Thread(target=_end_with_client, daemon=True).start()
    from prefect.settings import PREFECT_API_URL  # noqa: PLC0415

    if PREFECT_API_URL.value():
        return
    import uvicorn  # noqa: PLC0415
    from prefect.server.api.server import create_app  # noqa: PLC0415

    server = uvicorn.Server(uvicorn.Config(create_app(ephemeral=True), log_level="error", lifespan="on"))
    server.run(sockets=[socket.socket(fileno=number)])


def _end_with_client() -> None:
    """What a server says as it ends would come below its client's last words. A buffer's lock would be in its way."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
