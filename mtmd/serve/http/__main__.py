"""Serve the champion of a line of models: `python -m mtmd.serve.http artifacts/demo`; `mtmd serve` starts it.

It asks for no key: what can be reached from a network belongs behind a proxy that knows the clients (docs/serving.md).
"""

import logging
import os
import sys
from pathlib import Path
from socket import gethostname
from typing import Annotated

# Requests run side by side, each on one thread; numpy reads this once, at its import.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import typer
import uvicorn

from mtmd import command_line, extension
from mtmd.config import load_preset
from mtmd.serve.http.app import Observer, create_app
from mtmd.serve.http.intake import Settings

command = command_line.app()
_DEFAULTS = Settings()


@command.command()
def serve(
    line: Annotated[Path, typer.Argument(help="the line's directory, such as artifacts/demo")],
    host: Annotated[
        str, typer.Option(help="address that is listened on; whoever reaches it may use the service")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="0 chooses a free one, and the log says which")
    ] = 8080,
    threads: Annotated[
        int, typer.Option(min=1, max=256, help="calls answered at once, a core each")
    ] = _DEFAULTS.threads,
    queue: Annotated[int, typer.Option(min=0, help="calls that wait beside them")] = _DEFAULTS.queue,
    timeout: Annotated[float, typer.Option(min=0.001, help="seconds for a call")] = _DEFAULTS.timeout_s,
    preset: Annotated[
        str | None, typer.Option(help="whose extras see the calls too: a name, or a path to a .toml")
    ] = None,
) -> None:
    """Serve the champion of a line of models over HTTP, until a signal."""
    settings = Settings(threads=threads, queue=queue, timeout_s=timeout)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    observers = [] if preset is None else _observers(preset, line, settings, f"{gethostname()}-{port}")
    config = uvicorn.Config(
        create_app(line, settings, observers),
        host=host,
        port=port,
        http="h11",
        ws="none",
        access_log=False,
        log_config=None,
        limit_concurrency=settings.connections,
        timeout_graceful_shutdown=10,
        server_header=False,
    )
    uvicorn.Server(config).run()


def _observers(preset: str, line: Path, settings: Settings, name: str) -> list[Observer]:
    """Of each extra that has one, where the preset asks for it; `name` tells this process from the line's others."""
    chosen = load_preset(preset)
    made = [there.observer(chosen, line, settings, name) for there in extension.modules("observer").values()]
    return [observer for observer in made if observer is not None]


if __name__ == "__main__":
    sys.exit(command_line.run(command, "python -m mtmd.serve.http", None))
