"""Bring the mirrors of a line up to date: by a person's command, or within a time after a run; no run depends on it."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from mtmd.config import MirrorName, Preset, load_preset
from mtmd.errors import MtmdError
from mtmd.mirrors import mlflow_server, outbox
from mtmd.mirrors.state import MirrorState, read_state, write_state
from mtmd.registry.registry import Registry
from mtmd.store.files import locked
from mtmd.store.workspace import Workspace

_SHARE = 0.4  # of its time that a mirror takes up runs or events
_PATIENCE_S = 600.0  # with another process that mirrors
_MIRRORS: dict[MirrorName, Callable[[Workspace, Preset, float | None], tuple[str, bool]]] = {
    "mlflow": mlflow_server.mirror,
    "openlineage": lambda workspace, _, deadline: outbox.send(workspace, deadline),
}


def mirror(
    workspace: Workspace, preset: Preset, seconds: float | None = None, names: Sequence[MirrorName] = ()
) -> tuple[MirrorState, ...]:
    """Bring every mirror of the preset up to date, or those with these names; how far each is.

    For at most about so many seconds each. Nothing that goes wrong with one raises: its state says so.
    """
    Registry(workspace.root).refresh()
    return tuple(_mirrored(workspace, preset, name, seconds) for name in names or preset.mirrors.to)


def mirror_within(
    preset: str, artifacts: str, seconds: float | None = None, names: Sequence[MirrorName] = ()
) -> tuple[MirrorState, ...]:
    """The same in a process for each, which is ended when its time is up; the preset's seconds by default.

    The processes keep MLflow, its settings and its memory out of the caller, and a mirror that hangs out of the others'
    way. Never raises, but for a preset that can't be read.
    """
    chosen = load_preset(preset)
    workspace, limit = Workspace.of(artifacts, chosen), float(seconds or chosen.mirrors.seconds)
    wanted = tuple(names or chosen.mirrors.to)

    def ended(name: MirrorName) -> MirrorState:
        since = datetime.now(UTC)
        return _state(workspace, name, since, _ended(preset, artifacts, name, limit))

    with ThreadPoolExecutor(max_workers=len(_MIRRORS)) as side_by_side:
        return tuple(side_by_side.map(ended, wanted))


def _ended(preset: str, artifacts: str, name: MirrorName, limit: float) -> str:
    """Run a mirror's process to its end; why it did not end well, empty where it did."""
    command = [sys.executable, "-m", "mtmd.mirrors", preset, artifacts, str(limit), name]
    try:
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        return f"there was no end within {limit:g} s"
    except OSError as error:
        return str(error)
    if not done.returncode:
        return ""
    return done.stderr.decode(errors="replace").strip().rpartition("\n")[2] or f"status {done.returncode}"


def _mirrored(workspace: Workspace, preset: Preset, name: MirrorName, seconds: float | None) -> MirrorState:
    # The process is ended at `seconds`: a state is written before that.
    deadline = None if seconds is None else time.monotonic() + _SHARE * seconds
    try:
        with locked(workspace.mirror(name).with_suffix(".lock"), _PATIENCE_S if seconds is None else seconds):
            words, current = _MIRRORS[name](workspace, preset, deadline)
    except Exception as error:  # noqa: BLE001 - a library, a server or a network: whatever they raise
        words, current = _why(error), False
    state = MirrorState.now(name, words, current=current)
    write_state(workspace, state)
    return state


def _state(workspace: Workspace, name: MirrorName, since: datetime, failed: str) -> MirrorState:
    """What the process wrote of a mirror, or that it did not come to it."""
    state = read_state(workspace, name)
    if state is not None and state.at >= since:
        return state
    why = failed or "its process wrote nothing"
    state = MirrorState.now(name, f"{why}; `mtmd mirror` tries again", current=False)
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
