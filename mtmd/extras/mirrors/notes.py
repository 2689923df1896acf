"""The seam `notes`: what the index of a line says of its mirrors."""

from collections.abc import Iterator
from pathlib import Path

from mtmd.extras.mirrors.state import MirrorState
from mtmd.store.outputs import read_record


def notes(root: Path) -> Iterator[str]:
    """Which mirrors are up to date; of those that are behind, what their latest attempt said."""
    states = [
        state for path in sorted(root.glob("mirrors/*.json")) if (state := read_record(path, MirrorState))
    ]
    behind = [state for state in states if not state.current]
    if behind:
        yield "Mirrors are not up to date; `mtmd mirror` or the next run catches up."
        yield from (f"{state.mirror} ({state.at:%Y-%m-%d %H:%M}): {state.words}." for state in behind)
    elif states:
        yield f"Mirrors are up to date: {', '.join(state.mirror for state in states)}."
