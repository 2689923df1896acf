"""The seam `hooks`: what runs tell MLflow, as the last thing that they do, for a limited time.

Nothing happens where the preset mirrors nothing. A process of its own keeps MLflow, its settings and its memory out of
the run. What was sent until its time is up stays.
"""

import logging
import subprocess
import sys
from typing import TYPE_CHECKING

from mtmd.config import load_preset
from mtmd.extras.mirrors import Settings

if TYPE_CHECKING:
    from mtmd.promote.findings import RunSummary

_log = logging.getLogger(__name__)


def decided(_summary: "RunSummary", preset: str, _logs: str | None, artifacts: str) -> None:
    """A run has decided and written its page."""
    changed(preset, artifacts)


def changed(preset: str, artifacts: str) -> None:
    """The champion may have changed: do what `mtmd mirror` does, and warn where that fails or takes too long."""
    settings = load_preset(preset).extra(Settings)
    if not settings.mlflow:
        return
    command = [sys.executable, "-m", "mtmd.cli", "mirror", "--preset", preset, "--artifacts", artifacts]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=settings.seconds,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        words = f"MLflow is not up to date: there was no end within {settings.seconds} s"
    else:
        if done.returncode == 0:
            return
        words = (
            done.stderr.strip().rpartition("\n")[2] or f"MLflow is not up to date: status {done.returncode}"
        )
    _log.warning("%s; nothing depends on it, and the next run, or `mtmd mirror`, catches up", words)
