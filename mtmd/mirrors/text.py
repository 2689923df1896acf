"""What people read of a line's mirrors after a run."""

from collections.abc import Sequence

from mtmd.mirrors.state import MirrorState
from mtmd.report.markdown.plain import plain

_NOTE = (
    "The decision, the registry and the pages do not depend on it. The next run, or the command `mtmd mirror`, catches "
    "up."
)


def mirrors(states: Sequence[MirrorState]) -> str:
    """The artifact: what is not up to date comes first."""
    behind = [state.mirror for state in states if not state.current]
    head = f"✗ Not up to date: {', '.join(behind)}" if behind else "✓ The mirrors are up to date"
    ordered = sorted(states, key=lambda state: state.current)
    lines = [
        f"- {'✓' if state.current else '✗'} **{state.mirror}**: {plain(state.words)}" for state in ordered
    ]
    return "\n".join([f"## {head}", "", *lines, *(["", _NOTE] if behind else []), ""])
