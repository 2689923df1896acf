"""The index of a line, a calendar and a list of its runs, and the list of lines: static files that load nothing.

They are written after every run, and never at the expense of one.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from mtmd.config import load_preset
from mtmd.errors import ConfigError, MtmdError, StorageError, ValidationError
from mtmd.registry.registry import Registry
from mtmd.report.document import environment
from mtmd.report.line import DAYS, RECORDS, LineIndex, LineRecords, read_line
from mtmd.report.past import Failure, RunRecord
from mtmd.store.files import locked, sweep
from mtmd.store.stores import artifacts_folder, store_of
from mtmd.store.workspace import INDEX_LOCK, Workspace, read_record, write_record

PAGE = "index.html"
# any of these makes a directory a line
_OF_A_LINE = ("champion.json", "runs", "validation", "monitoring", "failures")
# State → its sign in a day's cell, and what it means. Signs differ where colours do not show.
STATES: Mapping[str, tuple[str, str]] = {
    "promoted": ("P", "the candidate of the day went live"),
    "rolled back": ("R", "it went live, and was taken down later"),
    "kept": ("K", "a gate, or a person, kept the champion"),
    "stopped": ("S", "the data suites stopped the run"),
    "failed": ("F", "the run ended with an error"),
    "left out": ("–", "the preset leaves the day out"),
    "missing": ("·", "no run of the day has ended"),
}
_log = logging.getLogger(__name__)


class Day(NamedTuple):
    """A day of the calendar: its state, what a reader is told who stays on the cell, and where the cell leads."""

    day: date
    state: str
    words: str
    link: str
    breach: bool

    @property
    def sign(self) -> str:
        return STATES[self.state][0]


def days(line: LineRecords) -> Iterator[Day]:
    """Every day from the first record to the newest, oldest first, and at most the newest 400."""
    if line.newest is None:
        return
    monitored = {one.day: one for one in line.monitored}
    known = {run.as_of for run in line.runs} | monitored.keys()
    first = max(min(known, default=line.newest), line.newest - timedelta(days=DAYS - 1))
    latest: dict[date, RunRecord] = {}
    for run in line.runs:  # a promotion stands, whatever came later; else the latest run of the day
        before = latest.get(run.as_of)
        if before is None or (run.verdict == "promoted" and before.verdict != "promoted"):
            latest[run.as_of] = run
    for offset in range((line.newest - first).days + 1):
        day = first + timedelta(days=offset)
        last, monitor = latest.get(day), monitored.get(day)
        state = line.verdict(last) if last else "left out" if day in line.left_out else "missing"
        why = last.reason if last else line.left_out.get(day, "")
        words = (f"{day}: {state}", why, f"monitor: {monitor.words}" if monitor else "")
        link = page(line, last) if last else ""
        yield Day(day, state, "; ".join(filter(None, words)), link, bool(monitor and monitor.breaches))


def _months(shown: list[Day]) -> Iterator[tuple[str, list[list[Day | None]]]]:
    """Title and weeks from Monday on, oldest month first; None before the first day and after the last."""
    for first, found in groupby(shown, key=lambda one: one.day.replace(day=1)):
        month = list(found)
        cells: list[Day | None] = [*[None] * month[0].day.weekday(), *month]
        cells += [None] * (-len(cells) % 7)
        yield f"{first:%B %Y}", [cells[start : start + 7] for start in range(0, len(cells), 7)]


def page(line: LineRecords, run: RunRecord) -> str:
    """The run's page, as a link from the line's; empty where it is not there."""
    return f"runs/{quote(run.run)}/report.html" if run.run in line.pages else ""


def render_line(line: LineRecords) -> str:
    """The page of a line; the same records give the same bytes."""
    shown, runs = list(days(line)), line.runs[:DAYS]
    count = {state: sum(day.state == state for day in shown) for state in STATES}
    return _rendered(
        "line.html",
        line=line,
        months=list(_months(shown))[::-1],
        states=[(state, *STATES[state], found) for state, found in count.items() if found],
        breaches=sum(day.breach for day in shown),
        runs=runs,
        tasks=list(dict.fromkeys(task for run in runs for task in run.logmae if task != "all")),
        page=lambda run: page(line, run),
    )


def render_lines(lines: Iterable[str]) -> str:
    """The page that lists the lines by name."""
    return _rendered("lines.html", lines=lines)


def _rendered(template: str, **values: Any) -> str:
    return environment(html=True).get_template(template).render(quoted=quote, **values)


def update_index(artifacts: str, preset: str) -> None:
    """Write the index of a preset's line after something was recorded there; a warning in the log where that fails."""
    unless_it_fails(artifacts, lambda: write_line(Workspace.of(artifacts, load_preset(preset)).root))


def record_decision(workspace: Workspace, as_of: date) -> None:
    """Write the index after a run that decided: what ended an earlier run of its day is forgotten."""

    def write() -> None:
        workspace.store.discard(workspace.failure(as_of))
        write_line(workspace.root)

    unless_it_fails(workspace.root, write)


def record_failure(artifacts: str, preset: str, as_of: date, error: Exception) -> None:
    """Keep why a run ended before it could decide, and write the index.

    Not kept: a parameter that was refused, which says nothing of the day. Nothing is written for a line that nothing
    ran on yet.
    """

    def write() -> None:
        workspace = Workspace.of(artifacts, load_preset(preset))
        if not _is_line(workspace.root):
            return
        if not isinstance(error, ConfigError):
            words = str(error) if isinstance(error, MtmdError) else repr(error)
            failure = Failure(as_of=as_of, words=words, stopped=isinstance(error, ValidationError))
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
    failed: dict[str, Exception] = {}
    for line in _lines(place):
        try:
            write_line(line)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other lines are written
            failed[line.name] = error
    _write_lines(place)
    if failed:
        named = "; ".join(f"{name}: {error}" for name, error in failed.items())
        raise StorageError(
            f"the index of {len(failed)} lines in {place} could not be written, the others were: {named}"
        ) from next(iter(failed.values()))
    return place / PAGE


def write_line(root: Path) -> None:
    """Write the index of a line's directory, and the list of lines; raises what goes wrong.

    Under a lock, so that of two writers the later one has seen the other's records.
    """
    with locked(root / INDEX_LOCK):
        Registry(root).refresh()
        line, store = read_line(root), store_of(root)
        store.write_text(root / PAGE, render_line(line))
        decided = tuple(run for run in line.records if run.decided)
        write_record(root / RECORDS, LineIndex(runs=decided))
    _write_lines(root.parent)


def _write_lines(artifacts: Path) -> None:
    """The list of lines that have an index."""
    with locked(artifacts / INDEX_LOCK):
        sweep(artifacts, below=False)  # of writers that were killed
        lines = [root.name for root in _lines(artifacts) if read_record(root / RECORDS, LineIndex)]
        store_of(artifacts).write_text(artifacts / PAGE, render_lines(lines))


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
        again = "`mtmd runs --write-index` writes it again"
        _log.warning("the index of %s could not be written: %s; %s", place, error, again)
