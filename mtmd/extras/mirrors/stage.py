"""Bring the mirrors of a line up to date: by a person's command, or within a time after a run; no run depends on it."""

import re
import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple

from mtmd.config import Preset
from mtmd.errors import MtmdError
from mtmd.extras.mirrors import events, mlflow_server
from mtmd.extras.mirrors.settings import MirrorName, Settings
from mtmd.registry.registry import Registry
from mtmd.store.files import locked
from mtmd.store.workspace import Workspace

_PATIENCE_S = 600.0  # with another process that mirrors
_CREDENTIALS = re.compile(r"(?<=//)[^/@\s]+@")
_LONGEST = 400
_MIRRORS: dict[MirrorName, Callable[[Workspace, Preset], tuple[str, bool]]] = {
    "openlineage": events.send,  # first: MLflow may take its time
    "mlflow": mlflow_server.mirror,
}


class Mirrored(NamedTuple):
    """How far a mirror is: what it has, or why something is missing, in one line."""

    name: MirrorName
    words: str
    current: bool


def mirror(workspace: Workspace, preset: Preset) -> tuple[Mirrored, ...]:
    """Bring every mirror of the preset up to date. Nothing that goes wrong with one raises: its words say so."""
    Registry(workspace.root).refresh()
    with locked(workspace.root / "mirrors" / "mirror.lock", _PATIENCE_S):
        return tuple(
            _mirrored(name, workspace, preset) for name in _MIRRORS if name in preset.extra(Settings).to
        )


def mirror_within(preset: str, artifacts: str, seconds: float) -> tuple[str, bool]:
    """What `mtmd mirror` says, and whether all is up to date, in a process that is ended when its time is up.

    The process keeps MLflow, its settings and its memory out of the caller. What was sent until its end stays.
    """
    command = [sys.executable, "-m", "mtmd.cli", "mirror", "--preset", preset, "--artifacts", artifacts]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return f"✗ there was no end within {seconds:g} s; the next run or `mtmd mirror` goes on", False
    said = done.stdout.strip() or done.stderr.strip().rpartition("\n")[2]
    return said or f"✗ status {done.returncode}", done.returncode == 0


def _mirrored(name: MirrorName, workspace: Workspace, preset: Preset) -> Mirrored:
    try:
        words, current = _MIRRORS[name](workspace, preset)
    except Exception as error:  # noqa: BLE001 - a library, a server or a network: whatever they raise
        words, current = _why(error), False
    without = _CREDENTIALS.sub("***@", " ".join(words.split()))
    return Mirrored(name, without if len(without) <= _LONGEST else f"{without[: _LONGEST - 1]}…", current)


def _why(error: BaseException) -> str:
    """An error in words: of one that wraps others also the innermost, which says what happened."""
    if isinstance(error, MtmdError):
        return str(error)
    inner = error
    while (cause := inner.__cause__) is not None:
        inner = cause
    words = str(error) or type(error).__name__
    return words if inner is error else f"{words}: {inner}"
