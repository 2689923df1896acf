"""Where decided runs left their records, and what they were made with."""

from pathlib import Path

from mtmd.registry.records import RunOrigin
from mtmd.store.outputs import read_record
from mtmd.store.workspace import Workspace

SUMMARY, _ORIGIN = "summary.json", "origin.json"


def run_paths(workspace: Workspace) -> list[Path]:
    """The directories of decided runs, the latest record first; of records of one time, the later day first."""
    paths = [path.parent for path in (workspace.root / "runs").glob(f"*/{SUMMARY}")]
    return sorted(paths, key=lambda path: ((path / SUMMARY).stat().st_mtime_ns, path.name), reverse=True)


def origin(path: Path) -> RunOrigin | None:
    """Of a run's directory; None where an older version wrote it."""
    return read_record(path / _ORIGIN, RunOrigin)
