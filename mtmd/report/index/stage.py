"""Write the index of a line, and the list of lines: after every run, and never at the expense of one."""

import logging
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Literal

from mtmd.config import Frozen, load_preset
from mtmd.errors import ConfigError, MtmdError, StorageError, ValidationError
from mtmd.registry.registry import Registry
from mtmd.report.index.reading import RECORDS, KnownRecords, read_line
from mtmd.report.index.render import LineSummary, render_line, render_lines, summary
from mtmd.report.index.sources import Failure
from mtmd.report.index.way import link_pages
from mtmd.store.files import locked, sweep
from mtmd.store.outputs import read_record, write_record
from mtmd.store.stores import artifacts_folder, store_of
from mtmd.store.workspace import INDEX_LOCK, Workspace

PAGE = "index.html"
# any of these makes a directory a line
_OF_A_LINE = ("champion.json", "runs", "validation", "monitoring", "failures")
_log = logging.getLogger(__name__)


class KnownLines(Frozen):
    """`index.json` of an artifacts directory."""

    format: Literal[1] = 1
    lines: tuple[LineSummary, ...] = ()


def update_index(artifacts: str, preset: str) -> None:
    """Write the index of a preset's line after something was recorded there; a warning in the log where that fails."""
    unless_it_fails(artifacts, lambda: write_line(Workspace.of(artifacts, load_preset(preset)).root))


def record_decision(workspace: Workspace, as_of: date) -> None:
    """Write the index after a run that decided: an error that ended an earlier run of its day is forgotten."""

    def write() -> None:
        workspace.store.discard(workspace.failure(as_of))
        write_line(workspace.root)

    unless_it_fails(workspace.root, write)


def record_failure(artifacts: str, preset: str, as_of: date, error: Exception) -> None:
    """Keep why a run ended before it could decide, and write the index.

    Not kept: data suites that failed, which have a record of their own, and a parameter that was refused, which says
    nothing of the day. Nothing is written for a line that nothing ran on yet.
    """

    def write() -> None:
        workspace = Workspace.of(artifacts, load_preset(preset))
        if not _is_line(workspace.root):
            return
        if not isinstance(error, (ConfigError, ValidationError)):
            words = str(error) if isinstance(error, MtmdError) else repr(error)
            failure = Failure(as_of=as_of, words=words)
            write_record(workspace.failure(as_of), failure)
        write_line(workspace.root)

    unless_it_fails(artifacts, write)


def write_index(artifacts: str | Path) -> Path:
    """Write the index of every line of an artifacts directory, and the list of lines; returns the list's place.

    Raises StorageError where there is no such directory, and, when all others are written, for lines that could not be.
    """
    place = artifacts_folder(artifacts)
    if store_of(place).elsewhere:
        place.mkdir(parents=True, exist_ok=True)
    if not place.is_dir():
        raise StorageError(
            f"artifacts {place} must be a directory; name the one that holds the lines of models"
        )
    failed = {line.name: error for line in _lines(place) if (error := _error_of(line)) is not None}
    _write_lines(place, None)
    if failed:
        named = "; ".join(f"{name}: {error}" for name, error in failed.items())
        raise StorageError(
            f"the index of {len(failed)} lines in {place} could not be written, the others were: {named}"
        ) from next(iter(failed.values()))
    return place / PAGE


def _error_of(line: Path) -> Exception | None:
    """What went wrong with a line's index; None where it was written."""
    try:
        write_line(line)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other lines are written
        return error
    return None


def write_line(root: Path) -> None:
    """Write the index of a line's directory, the links of its pages, and the list of lines; raises what goes wrong.

    Under a lock, so that of two writers the later one has seen the other's records.
    """
    with locked(root / INDEX_LOCK):
        Registry(root).refresh()
        line = read_line(root)
        store = store_of(root)
        store.write_text(root / PAGE, render_line(line))
        ways = link_pages(root, line.runs, line.pages, line.ways)
        store.write_text(root / RECORDS, KnownRecords(seen=line.seen, ways=ways).model_dump_json())
        _write_lines(root.parent, summary(line))


def _write_lines(artifacts: Path, own: LineSummary | None) -> None:
    """The list of lines, with what is new of one; a line without an index yet is listed by its name."""
    with locked(artifacts / INDEX_LOCK):
        sweep(artifacts, below=False)  # of writers that were killed
        store = store_of(artifacts)
        store.fetch(artifacts / RECORDS)
        stored = read_record(artifacts / RECORDS, KnownLines) or KnownLines()
        known = {one.name: one for one in (*stored.lines, *((own,) if own else ()))}
        lines = tuple(
            known[root.name].model_copy(update={"page": True})
            if root.name in known and ((root / PAGE).is_file() or store.fetch(root / PAGE))
            else LineSummary(name=root.name, page=False)
            for root in _lines(artifacts)
        )
        store.write_text(artifacts / RECORDS, KnownLines(lines=lines).model_dump_json())
        store.write_text(artifacts / PAGE, render_lines(lines))


def _lines(artifacts: Path) -> list[Path]:
    """Directories of lines; folders that hold something else are left alone."""
    found = {path for path in artifacts.iterdir() if _is_line(path)}
    if (store := store_of(artifacts)).elsewhere:
        found |= {artifacts / name for name in store.names(artifacts) if "." not in name}
    return sorted(found)


def _is_line(path: Path) -> bool:
    try:
        return any((path / name).exists() for name in _OF_A_LINE)
    except PermissionError:  # such as lost+found, where the artifacts are a disk of their own
        return False


def unless_it_fails(place: str | Path, write: Callable[[], object]) -> None:
    """Call what writes an index; a warning in the log where it fails, because what a run has done stands."""
    try:
        write()
    except Exception as error:  # noqa: BLE001 - a disk, a record or a template: none of it may end a run
        _log.warning("the index of %s could not be written: %s; `mtmd index` writes it again", place, error)
