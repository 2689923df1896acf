"""The process that brings one mirror up to date for a run: preset, artifacts, seconds, name of the mirror."""

import signal
import sys
from collections.abc import Sequence
from math import ceil

from pydantic import TypeAdapter

from mtmd.config import MirrorName, load_preset
from mtmd.mirrors.stage import mirror
from mtmd.store.workspace import Workspace

_GRACE_S = 5


def main(arguments: Sequence[str]) -> None:
    """Mirror; what came of it is in the mirror's state."""
    preset, artifacts, seconds, given = arguments
    signal.alarm(ceil(float(seconds)) + _GRACE_S)  # also where the run that waits for it is gone
    chosen, name = load_preset(preset), TypeAdapter[MirrorName](MirrorName).validate_python(given)
    mirror(Workspace.of(artifacts, chosen), chosen, float(seconds), (name,))


if __name__ == "__main__":
    main(sys.argv[1:])
