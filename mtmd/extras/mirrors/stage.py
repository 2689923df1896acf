"""Bring the mirrors of a line up to date: by a person's command, or within a time after a run; no run depends on it.

`python -m mtmd.extras.mirrors.stage PRESET ARTIFACTS SECONDS NAME` does it for one mirror in a process of its own.
"""

import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from math import ceil

from pydantic import TypeAdapter

from mtmd.config import Preset, load_preset
from mtmd.errors import MtmdError
from mtmd.extras.mirrors import mlflow_server, outbox
from mtmd.extras.mirrors.settings import MirrorName, Settings
from mtmd.extras.mirrors.state import MirrorState, place, read_state, write_state
from mtmd.registry.registry import Registry
from mtmd.store.files import locked
from mtmd.store.workspace import Workspace

_PATIENCE_S = 600.0  # with another process that mirrors
_GRACE_S = 5
_MIRRORS: dict[MirrorName, Callable[[Workspace, Preset], tuple[str, bool]]] = {
    "mlflow": mlflow_server.mirror,
    "openlineage": lambda workspace, _: outbox.send(workspace),
}


def mirror(
    workspace: Workspace, preset: Preset, names: Sequence[MirrorName] = (), patience_s: float = _PATIENCE_S
) -> tuple[MirrorState, ...]:
    """Bring every mirror of the preset up to date, or those with these names; how far each is.

    Nothing that goes wrong with one raises: its state says so.
    """
    Registry(workspace.root).refresh()
    wanted = names or preset.extra(Settings).to
    return tuple(_mirrored(workspace, preset, name, patience_s) for name in wanted)


def mirror_within(
    preset: str, artifacts: str, seconds: float | None = None, names: Sequence[MirrorName] = ()
) -> tuple[MirrorState, ...]:
    """The same in a process for each, which is ended when its time is up; the preset's seconds by default.

    The processes keep MLflow, its settings and its memory out of the caller, and a mirror that hangs out of the others'
    way. What was sent until then stays. Never raises, but for a preset that can't be read.
    """
    chosen = load_preset(preset)
    settings = chosen.extra(Settings)
    workspace, limit = Workspace.of(artifacts, chosen), float(seconds or settings.seconds)

    def ended(name: MirrorName) -> MirrorState:
        since = datetime.now(UTC)
        failed = _ended([sys.executable, "-m", __spec__.name, preset, artifacts, str(limit), name], limit)
        state = read_state(workspace, name)
        if state is not None and state.at >= since:
            return state
        why = failed or "its process wrote nothing"
        state = MirrorState.now(name, f"{why}; `mtmd mirror` tries again", current=False)
        write_state(workspace, state)
        return state

    with ThreadPoolExecutor(max_workers=len(_MIRRORS)) as side_by_side:
        return tuple(side_by_side.map(ended, tuple(names or settings.to)))


def _ended(command: Sequence[str], limit: float) -> str:
    """Run a mirror's process to its end; why it did not end well, empty where it did."""
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


def _mirrored(workspace: Workspace, preset: Preset, name: MirrorName, patience_s: float) -> MirrorState:
    try:
        with locked(place(workspace, name).with_suffix(".lock"), patience_s):
            words, current = _MIRRORS[name](workspace, preset)
    except Exception as error:  # noqa: BLE001 - a library, a server or a network: whatever they raise
        words, current = _why(error), False
    state = MirrorState.now(name, words, current=current)
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


def main(arguments: Sequence[str]) -> None:
    """Bring one mirror up to date, and leave its state."""
    preset, artifacts, seconds, given = arguments
    signal.alarm(ceil(float(seconds)) + _GRACE_S)  # also where the run that waits for it is gone
    chosen, name = load_preset(preset), TypeAdapter[MirrorName](MirrorName).validate_python(given)
    mirror(Workspace.of(artifacts, chosen), chosen, (name,), float(seconds))


if __name__ == "__main__":
    main(sys.argv[1:])
