"""All that is stored of a line of models, day by day.

`index.json` keeps what is shown of each decided run. So a summary is parsed once, and a run stays listed when the
clean-up has removed its directory.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel

from mtmd.config import Frozen
from mtmd.errors import MtmdError
from mtmd.registry.records import Champion, ChampionChange, origin
from mtmd.registry.registry import Registry
from mtmd.report.past import RunRecord, failure_record, run_record
from mtmd.report.tables import short
from mtmd.store.workspace import read_record, written

RECORDS = "index.json"
DAYS = 400  # what is shown: so many days up to the newest, and so many runs
_MONITORED = 60  # days whose monitor's record is read
_AHEAD = timedelta(days=31)
_Record = TypeVar("_Record")


class _Finding(BaseModel):
    breach: bool
    words: str


class MonitorRecord(BaseModel):
    """What the monitor said of a day, as far as it is shown."""

    day: date
    findings: tuple[_Finding, ...]

    @property
    def breaches(self) -> int:
        return sum(finding.breach for finding in self.findings)

    @property
    def words(self) -> str:
        """The first breaches."""
        said = "; ".join([one.words for one in self.findings if one.breach][:3])
        return short(said, 300) or "all is well"


@dataclass(frozen=True)
class LineRecords:
    """One line of models.

    records     every run that ended
    monitored   the monitor's days, the newest first
    champion    the live model
    history     every change of the champion, oldest first
    problem     why the registry could not be read; empty where it was
    left_out    days that the preset of the newest run leaves out, and why
    pages       runs whose page is there
    """

    name: str
    records: tuple[RunRecord, ...]
    monitored: tuple[MonitorRecord, ...] = ()
    champion: Champion | None = None
    history: tuple[ChampionChange, ...] = ()
    problem: str = ""
    left_out: dict[date, str] = field(default_factory=dict)
    pages: frozenset[str] = frozenset()

    @cached_property
    def runs(self) -> tuple[RunRecord, ...]:
        """The newest day first; of a day the latest run first."""
        return tuple(sorted(self.records, key=lambda run: (run.as_of, run.at, run.run), reverse=True))

    @cached_property
    def newest(self) -> date | None:
        """The newest day that a record is of; a mistyped day, which had no logs and is far ahead, does not count."""
        had_logs = [run.as_of for run in self.records if run.verdict != "failed"]
        last = max(had_logs, default=date.max - _AHEAD) + _AHEAD
        days = [*(run.as_of for run in self.records), *(one.day for one in self.monitored)]
        return max((day for day in days if day <= last), default=None)

    @property
    def last(self) -> RunRecord | None:
        """The latest run of the newest day that one is of."""
        return next((run for run in self.runs if run.as_of <= (self.newest or date.min)), None)

    @property
    def watched(self) -> MonitorRecord | None:
        """What the monitor said last."""
        return next((one for one in self.monitored if one.day <= (self.newest or date.min)), None)

    @property
    def age(self) -> str:
        """How old the champion is beside the newest day that anything is recorded of; empty without a champion."""
        if self.champion is None or self.newest is None:
            return ""
        lag = (self.newest - self.champion.as_of).days
        if lag <= 0:
            return "of the newest day"
        return f"{lag} day{'' if lag == 1 else 's'} before the newest day, {self.newest}"

    def verdict(self, run: RunRecord) -> str:
        """What came of a run: of a promotion, whether its model was taken down and not reinstated."""
        taken_down = self.champion.rolled_back if self.champion else ()
        down = run.verdict == "promoted" and run.model_id in taken_down
        return "rolled back" if down else run.verdict


class LineIndex(Frozen):
    """`index.json` of a line: its decided runs, which are read once."""

    format: Literal[3] = 3
    runs: tuple[RunRecord, ...]


def read_line(root: Path) -> LineRecords:
    """Read what is new or changed below a line's directory, and the other runs from `index.json`."""
    champion, history, problem = _registry(root)
    failures = _each(sorted(root.glob("failures/as_of=*.json")), failure_record)
    monitored = sorted(root.glob("monitoring/date=*.json"), reverse=True)[:_MONITORED]
    line = LineRecords(
        name=root.name,
        records=(*_runs(root), *failures),
        monitored=_each(monitored, lambda path: read_record(path, MonitorRecord)),
        champion=champion,
        history=history,
        problem=problem,
        pages=frozenset(path.parent.name for path in root.glob("runs/*/report.html")),
    )
    return replace(line, left_out=_left_out(root, line))


def _runs(root: Path) -> tuple[RunRecord, ...]:
    """Of decided runs, the newest 400 days; a summary that was not written again since is not read again."""
    stored = read_record(root / RECORDS, LineIndex)
    known = {run.run: run for run in (stored.runs if stored else ())}

    def read(path: Path) -> RunRecord | None:
        before = known.get(path.parent.name)
        return before if before and before.at == written(path) else run_record(path)

    found = known | {run.run: run for run in _each(sorted(root.glob("runs/*/summary.json")), read)}
    oldest = max((run.as_of for run in found.values()), default=date.max) - timedelta(days=DAYS)
    return tuple(run for run in found.values() if run.as_of > oldest)


def _each(paths: Iterable[Path], read: Callable[[Path], _Record | None]) -> tuple[_Record, ...]:
    """What can be read; of the rest the log has a warning."""
    found = []
    for path in paths:
        with suppress(FileNotFoundError):  # removed a moment ago
            found += [record] if (record := read(path)) is not None else []
    return tuple(found)


def _registry(root: Path) -> tuple[Champion | None, tuple[ChampionChange, ...], str]:
    """Read without the registry's lock, so that nothing waits for a page."""
    try:
        registry = Registry(root)
        return registry.champion(), registry.history(), ""
    except MtmdError as error:
        return None, (), str(error)


def _left_out(root: Path, line: LineRecords) -> dict[date, str]:
    """From the newest run that wrote down its preset."""
    for run in line.runs:
        if run.decided and (made_with := origin(root / "runs" / run.run)) is not None:
            found = made_with.preset.get("left_out")
            return {date.fromisoformat(day): str(why) for day, why in (found or {}).items()}
    return {}
