"""The index of a line, its newest run, trend, days and champions, and the list of lines: files that load nothing.

They are written after every run, and never at the expense of one.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import quote

from mtmd.config import load_preset
from mtmd.errors import ConfigError, MtmdError, ValidationError
from mtmd.monitor.health import MonitorReport
from mtmd.registry.registry import Registry
from mtmd.report.document import MARKS, Block, Document, Item, Items, Kind, Picture, Section, line_chart, page
from mtmd.report.line import DAYS, LONGEST, RECORDS, LineIndex, LineRecords, RunRecord, read_line
from mtmd.report.tables import Column, Link, Table, champions_table, columns_of, short
from mtmd.store.files import locked, sweep
from mtmd.store.stores import store_of
from mtmd.store.workspace import INDEX_LOCK, Workspace, read_record, write_record

PAGE = "index.html"
_LEAST = 3  # runs of a trend
_KINDS: dict[str, Kind] = {
    "promoted": "good", "kept": "held", "rolled back": "held", "stopped": "bad", "failed": "bad",
}  # fmt: skip
_ERRORS = {"logmae": "LogMAE", "ne": "NE"}
_log = logging.getLogger(__name__)
_Made = TypeVar("_Made")


def document(line: LineRecords) -> Document:
    """The newest run and the live model, the trend, every day, and the changes of the champion."""
    last, watched = next(iter(line.runs), None), next(iter(line.monitored.values()), None)
    verdict = line.verdict(last) if last else ""
    live = f"{line.champion.model_id}, as_of {line.champion.as_of}" if line.champion else "none"
    chart = trend(line.runs[:DAYS][::-1])
    empty = [] if line.history else ["No model was promoted yet."]
    return Document(
        title=f"{line.root.name}: {verdict}, {last.as_of}" if last else f"{line.root.name}: no run ended yet",
        kind=_KINDS.get(verdict, ""),
        words=(last.reason if last else "", f"The registry can't be read: {line.problem}" if line.problem else ""),
        facts=(("champion", live), ("monitor", f"{watched.day}: {watched.words}" if watched else "no day yet")),
        sections=(
            *([Section("trend", "Trend", 0, chart)] if chart else []),
            Section(
                "days", "Days and runs", 1, [days_table(line)],
                how="LogMAE is the mean |ln prediction − ln teacher score| on the run's held-out day: lower is better, "
                "and days differ. NE, where all tasks learn from actions: log loss over that of each slice's rate. "
                "A run without a link has no page: it was not written, or the clean-up removed it.",
            ),
            Section("champions", "Champions", 2, [champions_table(line.history), *empty]),
        ),
    )  # fmt: skip


def days_table(line: LineRecords, most: int = DAYS) -> Table:
    """The newest runs, and the days between them without one, each with what the monitor said of its day."""
    errors = [name for name in _ERRORS if any(getattr(run, name) is not None for run in line.runs)] or [
        "logmae"
    ]
    rows = [
        (
            Link(text=f"{day}", url=line.page(run) if run else ""),
            f"{MARKS[_KINDS[line.verdict(run)]]}{line.verdict(run)}" if run else "no run",
            *(getattr(run, name) if run else None for name in errors),
            run.rows if run else None,
            (run.model_id if run else None) or "",
            _watched(line.monitored.get(day)),
            run.reason if run else "",
        )
        for day, run in _by_day(line)
    ]
    return Table(
        title="",
        columns=(
            *columns_of("text", ("day", "verdict")),
            *columns_of("number", (_ERRORS[name] for name in errors)),
            Column(name="held-out rows", kind="count"),
            *columns_of("text", ("model", "monitor", "why")),
        ),
        rows=tuple(rows[:most]),
    )


def trend(runs: Iterable[RunRecord]) -> list[Block]:
    """The error from run to run, the oldest first, as the newest has it; nothing of fewer than three."""
    listed = list(runs)
    name = "logmae" if not listed or listed[-1].ne is None else "ne"
    known = [run for run in listed if getattr(run, name) is not None]
    if len(known) < _LEAST:
        return []
    formula = {"logmae": "mean |ln p̂ − ln teacher|", "ne": "log loss / that of the slice's rate"}[name]
    title = f"{_ERRORS[name]} of the candidate over all tasks, run by run: {formula}, lower is better"
    values = {"candidate": [getattr(run, name) for run in known]}
    return [Picture(line_chart(title, values, (f"{known[0].as_of}", f"{known[-1].as_of}")), title)]


def lines_document(lines: Iterable[str]) -> Document:
    """The lines by name."""
    words = "A line is the models of one preset, with one champion (the live model)."
    items = [Item("", line, url=f"{quote(line)}/{PAGE}") for line in lines]
    blocks: list[Block] = [
        Items(items) if items else "Nothing ran here yet. The first run of a day writes this page."
    ]
    return Document("Lines of models", "", (words,), sections=(Section("lines", "", 0, blocks),))


def update_index(artifacts: str, preset: str) -> None:
    """Write the index of a preset's line after something was recorded there; a warning in the log where that fails."""
    unless_it_fails(artifacts, lambda: write_line(Workspace.of(artifacts, load_preset(preset)).root))


def record_decision(workspace: Workspace, as_of: date) -> None:
    """Write the index after a run that decided: what ended an earlier run of its day is forgotten."""

    def write() -> None:
        for suffix in (".json", ".html"):
            workspace.store.discard(workspace.failure(as_of).with_suffix(suffix))
        write_line(workspace.root)

    unless_it_fails(workspace.root, write)


def record_failure(artifacts: str, preset: str, as_of: date, error: Exception, said: Document) -> Path | None:
    """Keep why a run ended before it could decide, with a page of what is `said` of it, and write the index.

    Not kept: a parameter that was refused, which says nothing of the day. Nothing is written for a line that nothing
    ran on yet. Returns the page.
    """

    def write() -> Path | None:
        workspace = Workspace.of(artifacts, load_preset(preset))
        if not workspace.root.is_dir():
            return None
        place = None
        if not isinstance(error, ConfigError):
            stopped = isinstance(error, ValidationError)
            words = said.words[0] if stopped else str(error) if isinstance(error, MtmdError) else repr(error)
            verdict: Literal["stopped", "failed"] = "stopped" if stopped else "failed"
            ended = RunRecord(
                as_of=as_of, at=datetime.now(UTC), verdict=verdict, reason=short(words, LONGEST)
            )
            place = workspace.failure(as_of).with_suffix(".html")
            text = page(said, f"../{PAGE}", f"All days and runs of {workspace.root.name}")
            workspace.store.write_text(place, text)
            write_record(workspace.failure(as_of), ended)
        write_line(workspace.root)
        return place

    return unless_it_fails(artifacts, write)


def write_line(root: Path) -> None:
    """Write the index of a line's directory, and the list of lines; raises what goes wrong.

    Under a lock, so that of two writers the later one has seen the other's records.
    """
    with locked(root / INDEX_LOCK):
        Registry(root).refresh()
        line, store = read_line(root), store_of(root)
        store.write_text(root / PAGE, page(document(line), "../index.html", "All lines"))
        decided = tuple(run for run in line.runs if run.run)
        write_record(root / RECORDS, LineIndex(runs=decided))
    write_lines(root.parent)


def write_lines(artifacts: Path) -> None:
    """The list of lines that have an index; raises what goes wrong."""
    with locked(artifacts / INDEX_LOCK):
        sweep(artifacts, below=False)  # of writers that were killed
        store = store_of(artifacts)
        names = {path.parent.name for path in artifacts.glob(f"*/{RECORDS}")}
        names |= {name for name in store.names(artifacts) if "." not in name} if store.elsewhere else set()
        lines = [name for name in sorted(names) if read_record(artifacts / name / RECORDS, LineIndex)]
        store.write_text(artifacts / PAGE, page(lines_document(lines)))


def unless_it_fails(place: str | Path, write: Callable[[], _Made]) -> _Made | None:
    """Call what writes an index; a warning in the log where it fails, because what a run has done stands."""
    try:
        return write()
    except Exception as error:  # noqa: BLE001 - a disk, a record or a template: none of it may end a run
        _log.warning("the index of %s could not be written: %s; the next run writes it again", place, error)
    return None


def _by_day(line: LineRecords) -> Iterator[tuple[date, RunRecord | None]]:
    """Each run, newest day first, and each day without one since the first run, or that the monitor alone saw."""
    if not (days := {run.as_of for run in line.runs} | line.monitored.keys()):
        return
    newest = max(days)
    for back in range(min(DAYS, (newest - min(days)).days + 1)):
        day = newest - timedelta(days=back)
        found: list[RunRecord | None] = [run for run in line.runs if run.as_of == day]
        yield from ((day, run) for run in found or [None])


def _watched(report: MonitorReport | None) -> str:
    if report is None:
        return ""
    good = f"✓ {report.verdict}" if report.unjudged else "✓"
    return short(f"✗ {report.words}", LONGEST) if report.breaches else good
