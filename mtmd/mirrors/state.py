"""How far each mirror is, for people: the flow's artifact and the index show it."""

import re
from datetime import UTC, datetime
from typing import get_args

from pydantic import Field

from mtmd.config import Frozen, MirrorName, Preset
from mtmd.store.fetched import fetch_record
from mtmd.store.files import discard, write_json
from mtmd.store.outputs import read_record
from mtmd.store.workspace import Workspace

_CREDENTIALS = re.compile(r"(?<=//)[^/@\s]+@")
_LONGEST = 400


class MirrorState(Frozen):
    """What came of the latest attempt to bring a mirror up to date."""

    mirror: MirrorName
    at: datetime = Field(description="when it was tried")
    current: bool = Field(description="whether everything that can be read is mirrored")
    words: str = Field(description="what is mirrored, or why something is not")

    @classmethod
    def now(cls, mirror: MirrorName, words: str, *, current: bool) -> "MirrorState":
        """A state of this moment; credentials in addresses are left out of its words."""
        plain = _CREDENTIALS.sub("***@", " ".join(words.split()))
        short = plain if len(plain) <= _LONGEST else f"{plain[: _LONGEST - 1]}…"
        return cls(mirror=mirror, at=datetime.now(UTC), current=current, words=short)


def read_state(workspace: Workspace, mirror: MirrorName) -> MirrorState | None:
    """The latest state; None before the first attempt."""
    return read_record(workspace.mirror(mirror), MirrorState)


def write_state(workspace: Workspace, state: MirrorState) -> None:
    """Replace the mirror's latest state."""
    write_json(workspace.mirror(state.mirror), state.model_dump(mode="json"))


def forget_others(workspace: Workspace, preset: Preset) -> None:
    """Remove the states of mirrors that the preset does not name any more: nothing would ever renew them.

    In a bucket the state may be another machine's, so that it is not on this disk yet.
    """
    for name in get_args(MirrorName):
        path = workspace.mirror(name)
        if name not in preset.mirrors.to and (path.is_file() or fetch_record(path)):
            discard(path)
