"""How far each mirror is, for people: the flow's artifact and the index show it."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from pydantic import Field

from mtmd.config import Frozen, Preset
from mtmd.errors import MtmdError
from mtmd.extras.mirrors.settings import MirrorName, Settings
from mtmd.report.text import plain
from mtmd.store.outputs import read_record, write_record
from mtmd.store.workspace import Workspace

_CREDENTIALS = re.compile(r"(?<=//)[^/@\s]+@")
_LONGEST = 400
_NOTE = (
    "The decision, the registry and the pages do not depend on it. The next run, or the command `mtmd mirror`, catches "
    "up."
)


class MirrorError(MtmdError):
    """A mirror could not be brought up to date; what it mirrors stands."""


class MirrorState(Frozen):
    """What the latest attempt to bring a mirror up to date did."""

    mirror: MirrorName
    at: datetime = Field(description="when it was tried")
    current: bool = Field(description="whether everything that can be read is mirrored")
    words: str = Field(description="what is mirrored, or why something is not")

    @classmethod
    def now(cls, mirror: MirrorName, words: str, *, current: bool) -> "MirrorState":
        """A state of this moment; credentials in addresses are left out of its words."""
        without = _CREDENTIALS.sub("***@", " ".join(words.split()))
        short = without if len(without) <= _LONGEST else f"{without[: _LONGEST - 1]}…"
        return cls(mirror=mirror, at=datetime.now(UTC), current=current, words=short)


def read_state(workspace: Workspace, mirror: MirrorName) -> MirrorState | None:
    """The latest state; None before the first attempt."""
    return read_record(place(workspace, mirror), MirrorState)


def write_state(workspace: Workspace, state: MirrorState) -> None:
    """Replace the mirror's latest state."""
    write_record(place(workspace, state.mirror), state)


def place(workspace: Workspace, mirror: MirrorName) -> Path:
    """Where a mirror's state is."""
    return workspace.root / "mirrors" / f"{mirror}.json"


def forget_others(workspace: Workspace, preset: Preset) -> None:
    """Remove the states of mirrors that the preset does not name any more: nothing would ever renew them.

    In a bucket the state may be another machine's, so that it is not on this disk yet.
    """
    for name in get_args(MirrorName):
        path = place(workspace, name)
        if name not in preset.extra(Settings).to and (path.is_file() or workspace.store.fetch(path)):
            workspace.store.discard(path)


def behind(states: Sequence[MirrorState]) -> str:
    """Names of the mirrors that are not up to date; empty where all are."""
    return ", ".join(state.mirror for state in states if not state.current)


def markdown(states: Sequence[MirrorState]) -> str:
    """The artifact: what is not up to date comes first."""
    late = behind(states)
    head = f"✗ Not up to date: {late}" if late else "✓ The mirrors are up to date"
    ordered = sorted(states, key=lambda state: state.current)
    lines = [
        f"- {'✓' if state.current else '✗'} **{state.mirror}**: {plain(state.words)}" for state in ordered
    ]
    return "\n".join([f"## {head}", "", *lines, *(["", _NOTE] if late else []), ""])
