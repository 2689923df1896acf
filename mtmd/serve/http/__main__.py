"""Serve the champion of a line of models: `python -m mtmd.serve.http artifacts/demo`; `mtmd serve` starts it."""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

# Requests run side by side, each on one thread; numpy reads this once, at its import.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import uvicorn

from mtmd.serve.http.app import create_app
from mtmd.serve.http.intake import Settings
from mtmd.serve.http.protocol import patient_for


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal; returns the exit status."""
    options = parser().parse_args(arguments)
    settings = Settings(
        threads=options.threads, queue=options.queue, timeout_s=options.timeout, precision=options.precision
    )
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    config = uvicorn.Config(
        create_app(options.line, settings),
        host=options.host,
        port=options.port,
        http=patient_for(settings.head_timeout_s),
        ws="none",
        access_log=False,
        log_config=None,
        limit_concurrency=settings.connections,
        timeout_graceful_shutdown=10,
        server_header=False,
    )
    uvicorn.Server(config).run()
    return 0


def parser() -> argparse.ArgumentParser:
    """Of this command; `mtmd serve` passes its options on, and has a preset in the line's place."""
    defaults = Settings()
    made = argparse.ArgumentParser(prog="python -m mtmd.serve.http", description=__doc__)
    made.add_argument("line", type=Path, help="the line's directory, such as artifacts/demo")
    made.add_argument("--host", default="127.0.0.1")
    made.add_argument("--port", type=int, default=8080, help="0 chooses a free one, and the log says which")
    made.add_argument("--threads", type=int, default=defaults.threads, help="questions at once, a core each")
    made.add_argument("--queue", type=int, default=defaults.queue, help="questions that wait beside them")
    made.add_argument("--timeout", type=float, default=defaults.timeout_s, help="seconds for a question")
    made.add_argument(
        "--precision", choices=("float32", "float16"), default=defaults.precision, help="of the ads in memory"
    )
    return made


if __name__ == "__main__":
    sys.exit(main())
