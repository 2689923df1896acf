"""Every day of a line, in one of nine states, as calendar months."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

from mtmd.report.index.reading import DAYS, LineRecords
from mtmd.report.index.records import MonitorRecord, RunRecord

# State → the sign of it in a day's cell, and what it means. Signs differ where colours do not show.
STATES: Mapping[str, tuple[str, str]] = {
    "promoted": ("P", "the candidate of the day went live"),
    "rolled back": ("R", "it went live, and was taken down later"),
    "kept": ("K", "a gate, or a person, kept the champion"),
    "stopped": ("S", "the data suites stopped the run"),
    "failed": ("F", "the run ended with an error"),
    "trained": ("T", "a model of the day is there, and no run has decided about it"),
    "validated": ("V", "the day passed its suites, and no run has decided"),
    "left out": ("–", "the preset leaves the day out"),
    "missing": ("·", "no record of the day"),
}


@dataclass(frozen=True)
class Day:
    """A day of the calendar; `run` is the one that its state is of, `monitor` what the monitor said."""

    day: date
    state: str
    run: RunRecord | None = None
    monitor: MonitorRecord | None = None
    note: str = ""

    @property
    def sign(self) -> str:
        return STATES[self.state][0]

    @property
    def words(self) -> str:
        """What a reader is told who stays on the cell."""
        parts = [f"{self.day}: {self.state}"]
        parts += [text for text in (self.run.reason if self.run else self.note,) if text]
        if self.monitor is not None:
            parts.append(f"monitor: {self.monitor.words or 'all is well'}")
        return "; ".join(parts)


@dataclass(frozen=True)
class Month:
    """Weeks from Monday on; None before the first day and after the last."""

    title: str
    weeks: tuple[tuple[Day | None, ...], ...]


def days(line: LineRecords) -> tuple[Day, ...]:
    """Every day from the first record to the newest, oldest first, and at most the newest 400."""
    if line.newest is None:
        return ()
    known = {run.as_of for run in line.runs} | line.validated | {one.day for one in line.monitored}
    first = max(min(known, default=line.newest), line.newest - timedelta(days=DAYS - 1))
    monitored = {one.day: one for one in line.monitored}
    latest = latest_runs(line)
    found = []
    for offset in range((line.newest - first).days + 1):
        day = first + timedelta(days=offset)
        run = latest.get(day)
        state = _state(line, day, run)
        found.append(Day(day, state, run, monitored.get(day), line.left_out.get(day, "")))
    return tuple(found)


def latest_runs(line: LineRecords) -> dict[date, RunRecord]:
    """The run that a day's state is of: the one that promoted, which stands whatever came later, or the latest."""
    found: dict[date, RunRecord] = {}
    for run in line.runs:  # of a day the latest first
        before = found.get(run.as_of)
        if before is None or (run.verdict == "promoted" and before.verdict != "promoted"):
            found[run.as_of] = run
    return found


def rolled_back(line: LineRecords, run: RunRecord) -> bool:
    """Whether the model that a run promoted was taken down and not reinstated."""
    taken_down = line.champion.rolled_back if line.champion else ()
    return run.verdict == "promoted" and run.model_id in taken_down


def months(shown: tuple[Day, ...]) -> tuple[Month, ...]:
    """The newest month first."""
    found = [
        Month(f"{first:%B %Y}", tuple(_weeks(list(own))))
        for first, own in groupby(shown, key=lambda one: one.day.replace(day=1))
    ]
    return tuple(reversed(found))


def _state(line: LineRecords, day: date, run: RunRecord | None) -> str:
    if run is not None:
        return "rolled back" if rolled_back(line, run) else run.verdict
    if day in line.left_out:
        return "left out"
    if day in line.exported:
        return "trained"
    return "validated" if day in line.validated else "missing"


def _weeks(own: list[Day]) -> Iterator[tuple[Day | None, ...]]:
    before: list[Day | None] = [None] * own[0].day.weekday()
    cells = [*before, *own]
    cells += [None] * (-len(cells) % 7)
    for start in range(0, len(cells), 7):
        yield tuple(cells[start : start + 7])
