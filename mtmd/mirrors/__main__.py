"""The process that brings mirrors up to date for a run: preset, artifacts, seconds."""

import sys

from mtmd.config import load_preset
from mtmd.mirrors.stage import mirror
from mtmd.store.workspace import Workspace


def main(preset: str, artifacts: str, seconds: str) -> None:
    """Mirror; what came of it is in the states."""
    chosen = load_preset(preset)
    mirror(Workspace.of(artifacts, chosen), chosen, float(seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])
