"""Serve the champion of a line of models: `python -m mtmd.serve.http artifacts/demo`; `mtmd serve` starts it."""

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from socket import gethostname
from typing import Annotated

# Requests run side by side, each on one thread; numpy reads this once, at its import.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import typer
import uvicorn
from pydantic import ValidationError

from mtmd import command_line
from mtmd.config.problems import wrong_values
from mtmd.errors import ConfigError
from mtmd.serve.http.app import create_app
from mtmd.serve.http.candidate import ShadowSettings
from mtmd.serve.http.intake import Settings
from mtmd.serve.http.keys import VARIABLE, Keys, require_safe
from mtmd.serve.http.protocol import patient_for
from mtmd.serve.published import Precision

command = command_line.app()
_DEFAULTS = Settings()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal; returns the exit status."""
    return command_line.run(command, "python -m mtmd.serve.http", arguments)


@command.command()
def serve(
    line: Annotated[Path, typer.Argument(help="the line's directory, such as artifacts/demo")],
    host: Annotated[str, typer.Option(help="address that is listened on")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="0 chooses a free one, and the log says which")
    ] = 8080,
    threads: Annotated[int, typer.Option(help="calls answered at once, a core each")] = _DEFAULTS.threads,
    queue: Annotated[int, typer.Option(help="calls that wait beside them")] = _DEFAULTS.queue,
    timeout: Annotated[float, typer.Option(help="seconds for a call")] = _DEFAULTS.timeout_s,
    precision: Annotated[Precision, typer.Option(help="of the ads in memory")] = _DEFAULTS.precision,
    keys: Annotated[
        Path | None, typer.Option(metavar="FILE", help=f"API keys, one a line; default: {VARIABLE}, or none")
    ] = None,
    shadow: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="let this candidate, or `newest`, answer too, for comparison"),
    ] = None,
    shadow_share: Annotated[
        float, typer.Option(min=0, max=1, help="share that is compared of the calls that do not ask for it")
    ] = 0.0,
    shadow_log: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="default: shadow/ of the line")
    ] = None,
    shadow_ids: Annotated[bool, typer.Option("--shadow-ids", help="keep ids of ads in that log")] = False,
    open_to_the_network: Annotated[
        bool, typer.Option("--open-to-the-network", help="answer anybody who reaches --host, without keys")
    ] = False,
) -> None:
    """Serve the champion of a line of models over HTTP, until a signal."""
    valid = Keys.of(keys, os.environ)
    require_safe(host, valid, open_to_the_network)
    try:
        settings = Settings(threads=threads, queue=queue, timeout_s=timeout, precision=precision)
    except ValidationError as error:
        raise ConfigError(f"the options of the service are wrong:\n{wrong_values(error)}") from error
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    shadowed = None
    if shadow is not None:
        file = (shadow_log or line / "shadow") / f"{gethostname()}-{port}.jsonl"
        shadowed = ShadowSettings(file=file, model=shadow, share=shadow_share, ids=shadow_ids)
    config = uvicorn.Config(
        create_app(line, settings, valid, shadowed),
        host=host,
        port=port,
        http=patient_for(settings.head_timeout_s),
        ws="none",
        access_log=False,
        log_config=None,
        limit_concurrency=settings.connections,
        timeout_graceful_shutdown=10,
        server_header=False,
    )
    uvicorn.Server(config).run()


if __name__ == "__main__":
    sys.exit(main())
