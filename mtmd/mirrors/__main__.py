"""The process that brings mirrors up to date for a run: preset, artifacts, seconds, names of mirrors."""

import sys
from collections.abc import Sequence

from pydantic import TypeAdapter

from mtmd.config import MirrorName, load_preset
from mtmd.mirrors.stage import mirror
from mtmd.store.workspace import Workspace


def main(arguments: Sequence[str]) -> None:
    """Mirror; what came of it is in the states."""
    preset, artifacts, seconds, *names = arguments
    chosen = load_preset(preset)
    known = TypeAdapter(tuple[MirrorName, ...]).validate_python(tuple(names))
    mirror(Workspace.of(artifacts, chosen), chosen, float(seconds), known)


if __name__ == "__main__":
    main(sys.argv[1:])
