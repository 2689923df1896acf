"""Bring the mirrors of a line up to date: by a person's command, or within a time after a run; no run depends on it."""

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from mtmd.config import MirrorName, Preset, load_preset
from mtmd.errors import MtmdError
from mtmd.mirrors import mlflow_server, outbox
from mtmd.mirrors.state import MirrorState, read_state, write_state
from mtmd.store.files import locked
from mtmd.store.workspace import Workspace

_GRACE_S = 3.0  # for a process to end by itself, after its last request
_MIRRORS: dict[MirrorName, Callable[[Workspace, Preset, float | None], tuple[str, bool]]] = {
    "mlflow": mlflow_server.mirror,
    "openlineage": lambda workspace, _, deadline: outbox.send(workspace, deadline),
}


def mirror(workspace: Workspace, preset: Preset, seconds: float | None = None) -> tuple[MirrorState, ...]:
    """Bring every mirror of the preset up to date, for at most about so many seconds; how far each is.

    Nothing that goes wrong with one raises: its state says so.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    states = []
    with locked(workspace.root / "mirrors" / "lock", 600.0 if seconds is None else seconds):
        for name in preset.mirrors.to:
            try:
                words, current = _MIRRORS[name](workspace, preset, deadline)
            except Exception as error:  # noqa: BLE001 - a library, a server or a network: whatever they raise
                words, current = _why(error), False
            states.append(MirrorState.now(name, words, current=current))
            write_state(workspace, states[-1])
    return tuple(states)


def mirror_within(preset: str, artifacts: str, seconds: float | None = None) -> tuple[MirrorState, ...]:
    """The same in a process of its own, which is ended when its time is up; the preset's seconds by default.

    The process keeps MLflow, its settings and its memory out of the caller. Never raises, but for a preset that can't
    be read.
    """
    chosen = load_preset(preset)
    workspace, limit = Workspace.of(artifacts, chosen), float(seconds or chosen.mirrors.seconds)
    since, failed = datetime.now(UTC), ""
    command = [sys.executable, "-m", "mtmd.mirrors", preset, artifacts, str(limit)]
    try:
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=limit + _GRACE_S, check=False
        )
        if done.returncode:
            failed = done.stderr.decode(errors="replace").strip().rpartition("\n")[2] or "its process ended"
    except subprocess.TimeoutExpired:
        failed = f"there was no end within {limit:g} s"
    except OSError as error:
        failed = str(error)
    return tuple(_state(workspace, name, since, failed) for name in chosen.mirrors.to)


def _state(workspace: Workspace, name: MirrorName, since: datetime, failed: str) -> MirrorState:
    """What the process wrote of a mirror, or that it did not come to it."""
    state = read_state(workspace, name)
    if state is not None and state.at >= since:
        return state
    words = f"{failed or 'its process wrote nothing'}; `mtmd mirror` tries again"
    state = MirrorState.now(name, words, current=False)
    write_state(workspace, state)
    return state


def _why(error: BaseException) -> str:
    """An error in words: of one that wraps others also the innermost, which says what happened."""
    if isinstance(error, MtmdError):
        return str(error)
    inner = error
    while (cause := inner.__cause__) is not None:
        inner = cause
    words = str(error) or type(error).__name__
    return words if inner is error else f"{words}: {inner}"
