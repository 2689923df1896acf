"""A Prefect server for one run, in a process of its own, where PREFECT_API_URL names none.

Prefect has one too, but starts it when a run first asks for it, and imports the server into the client for that. This
one is imported while the client still is, and registers no blocks: no flow here has any.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def own_server() -> Iterator[str]:
    """A server that answers, and ends with this: the address of its API. Raises ConfigError where it fails to start."""
    import httpx  # noqa: PLC0415 - `begin` comes before whatever takes long to import
    from prefect.settings import PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS as PATIENCE  # noqa: PLC0415

    process, address = _begun.pop() if _begun else _started()
    try:
        try:
            httpx.get(f"{address}/health", timeout=PATIENCE.value()).raise_for_status()
        except httpx.HTTPError as error:
            raise ConfigError(
                f"a temporary Prefect server did not start within {PATIENCE.value()} s ({error})",
                "mend what it says above; or start one, and let PREFECT_API_URL name it",
            ) from error
        yield address
    finally:
        try:
            process.communicate(timeout=_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _started() -> "tuple[subprocess.Popen[bytes], str]":
    """A server's process, and its address: requests wait at its socket until it answers them.

    It ends when its standard input does: at the latest with this process, in whatever way that ends.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        number = listening.fileno()
        command = [sys.executable, "-m", "mtmd.flows.server", f"{number}"]
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
    from prefect.settings import PREFECT_API_URL  # noqa: PLC0415 - see `begin`

    if not PREFECT_API_URL.value():
        import uvicorn  # noqa: PLC0415
        from prefect.server.api.server import create_app  # noqa: PLC0415

        server = uvicorn.Server(uvicorn.Config(create_app(ephemeral=True), log_level="error", lifespan="on"))
        server.run(sockets=[socket.socket(fileno=number)])


def _end_with_client() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
