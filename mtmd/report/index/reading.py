"""All that is stored of a line, as its index shows it.

`index.json` keeps a small record of each file, with the size and the time of the file. So a file is parsed once, and
a run stays listed when the clean-up has removed its directory.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field

from mtmd.config import Frozen
from mtmd.errors import MtmdError
from mtmd.registry.records import Champion, ChampionChange
from mtmd.registry.registry import Registry
from mtmd.report.index.records import (
    ABTestRecord,
    BackfillRecord,
    MonitorRecord,
    Record,
    RunRecord,
    day_of,
)
from mtmd.report.index.sources import FAILURES, MIRRORS, SOURCES, VALIDATIONS, MirrorLine, validated
from mtmd.report.index.way import Way
from mtmd.report.past import origin
from mtmd.store.outputs import read_record

RECORDS = "index.json"
DAYS = 400  # what is shown: so many days up to the newest, and so many runs
_AHEAD = timedelta(days=31)
_Kind = TypeVar("_Kind", RunRecord, MonitorRecord, BackfillRecord, ABTestRecord)
_log = logging.getLogger(__name__)
_MODEL = re.compile(r"(\d{4})(\d{2})(\d{2})-")


class Seen(Frozen):
    """A stored file, as it was when it was read; no record where it could not be read."""

    path: str
    size: int
    mtime_ns: int
    record: Record | None

    @property
    def written(self) -> date:
        """The UTC day on which it was written."""
        return datetime.fromtimestamp(self.mtime_ns / 1e9, UTC).date()


class KnownRecords(Frozen):
    """`index.json` of a line."""

    format: Literal[1] = 1
    seen: tuple[Seen, ...] = ()
    ways: dict[str, Way] = Field({}, description="what the page of each run links")


@dataclass(frozen=True)
class LineRecords:
    """One line of models.

    seen        every record, of files that were removed meanwhile too
    champion    the live model
    history     every change of the champion, oldest first
    problem     why the registry could not be read; empty where it was
    exported    days that a model in the registry is of
    left_out    days that the preset of the newest run leaves out, and why
    pages       runs whose page is there
    mirrors     how far each mirror is
    ways        what their pages linked when the index was written last
    """

    name: str
    seen: tuple[Seen, ...]
    champion: Champion | None = None
    history: tuple[ChampionChange, ...] = ()
    problem: str = ""
    exported: frozenset[date] = frozenset()
    left_out: dict[date, str] = field(default_factory=dict)
    pages: frozenset[str] = frozenset()
    mirrors: tuple[MirrorLine, ...] = ()
    ways: dict[str, Way] = field(default_factory=dict)

    @cached_property
    def runs(self) -> tuple[RunRecord, ...]:
        """Runs that ended, the newest day first; of a day the latest run first."""
        ended = [run for run in self._of(RunRecord) if run.verdict != "validated"]
        return tuple(sorted(ended, key=lambda run: (run.as_of, run.at, run.run), reverse=True))

    @property
    def validated(self) -> frozenset[date]:
        """Days whose suites passed in their latest run."""
        return frozenset(run.as_of for run in self._of(RunRecord) if run.verdict == "validated")

    @cached_property
    def monitored(self) -> tuple[MonitorRecord, ...]:
        """The monitor's days, the newest first."""
        return tuple(sorted(self._of(MonitorRecord), key=lambda one: one.day, reverse=True))

    @property
    def backfills(self) -> tuple[BackfillRecord, ...]:
        """The latest first."""
        return tuple(sorted(self._of(BackfillRecord), key=lambda one: one.at, reverse=True))

    @property
    def ab_tests(self) -> tuple[ABTestRecord, ...]:
        """The newest day first."""
        return tuple(sorted(self._of(ABTestRecord), key=lambda one: (one.day, one.at), reverse=True))

    @cached_property
    def newest(self) -> date | None:
        """The newest day that a record is of."""
        return newest_day(self.seen)

    def _of(self, kind: type[_Kind]) -> Iterator[_Kind]:
        return (one.record for one in self.seen if isinstance(one.record, kind))


def newest_day(seen: Iterable[Seen]) -> date | None:
    """The newest day that a record is of; a day that somebody mistyped does not count.

    Such a day has no logs. It was yet to come when its record was written, and is more than a month after the newest
    day that had logs.
    """
    recorded = [(one, day_of(one.record)) for one in seen if one.record]
    last = max((day for one, day in recorded if _had_logs(one.record)), default=date.min)
    counted = (day for one, day in recorded if day <= max(one.written, last + _AHEAD))
    return max(counted, default=None)


def read_line(root: Path) -> LineRecords:
    """Read what is new or changed below a line's directory, and the rest from `index.json`."""
    stored = read_record(root / RECORDS, KnownRecords) or KnownRecords()
    seen = _seen(root, {one.path: one for one in stored.seen})
    champion, history, problem = _registry(root)
    pages = {path.parent.name for path in root.glob("runs/*/report.html")}
    states = sorted(root.glob(MIRRORS))
    line = LineRecords(
        name=root.name,
        seen=seen,
        champion=champion,
        history=history,
        problem=problem,
        exported=frozenset(_exported(root)),
        pages=frozenset(pages),
        mirrors=tuple(one for path in states if (one := read_record(path, MirrorLine))),
        ways=stored.ways,
    )
    return replace(line, left_out=_left_out(root, line))


def _seen(root: Path, known: dict[str, Seen]) -> tuple[Seen, ...]:
    found: dict[str, Seen] = {}
    for pattern, read in SOURCES.items():
        decided = _decided(found) if pattern == VALIDATIONS else {}
        for path in sorted(root.glob(pattern)):
            name = path.relative_to(root).as_posix()
            try:
                stat = path.stat()
                before = known.get(name)
                if before and (before.size, before.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
                    found[name] = before
                    continue
                record = _implied(path, decided) or read(path)
                found[name] = Seen(path=name, size=stat.st_size, mtime_ns=stat.st_mtime_ns, record=record)
            except FileNotFoundError:  # removed a moment ago
                continue
            except (
                OSError,
                ValueError,
            ) as error:  # not to be read, or named after no day: the others are listed
                _log.warning("%s is not listed: %s", path, error)
    oldest = (newest_day((known | found).values()) or date.max) - timedelta(days=DAYS)
    gone = {name: one for name, one in known.items() if name not in found and _stays(one, oldest)}
    return tuple((gone | found).values())


def _decided(found: Mapping[str, Seen]) -> dict[date, datetime]:
    """When each day was decided last."""
    runs = (one.record for one in found.values() if isinstance(one.record, RunRecord) and one.record.decided)
    latest: dict[date, datetime] = {}
    for run in runs:
        latest[run.as_of] = max(run.at, latest.get(run.as_of, run.at))
    return latest


def _implied(path: Path, decided: Mapping[date, datetime]) -> RunRecord | None:
    """A validation that a decision of its day came after: it passed, or nothing would have been decided.

    So the megabyte of most days' validation is not read at all.
    """
    own = validated(path) if decided else None
    return own if own and own.at <= decided.get(own.as_of, datetime.min.replace(tzinfo=UTC)) else None


def _had_logs(record: Record | None) -> bool:
    """Whether a record could not be there without logs of its day."""
    return isinstance(record, ABTestRecord) or (isinstance(record, RunRecord) and record.verdict != "failed")


def _stays(one: Seen, oldest: date) -> bool:
    """Whether a removed file stays listed: a failure is removed when its day was decided after all."""
    failure = one.path.startswith(FAILURES.partition("/")[0])
    return not failure and one.record is not None and day_of(one.record) > oldest


def _registry(root: Path) -> tuple[Champion | None, tuple[ChampionChange, ...], str]:
    """Read without the registry's lock, so that nothing waits for a page."""
    try:
        registry = Registry(root)
        return registry.champion(), registry.history(), ""
    except MtmdError as error:
        return None, (), str(error)


def _exported(root: Path) -> Iterator[date]:
    """Model ids begin with the model's day."""
    for path in root.glob("models/[!.]*"):
        if match := _MODEL.match(path.name):
            try:
                yield date(*map(int, match.groups()))
            except ValueError:  # no day of the calendar: not ours
                continue


def _left_out(root: Path, line: LineRecords) -> dict[date, str]:
    """From the newest run that wrote down its preset."""
    for run in line.runs:
        if run.decided and (made_with := origin(root / "runs" / run.run)) is not None:
            found = made_with.preset.get("left_out")
            return {date.fromisoformat(day): str(why) for day, why in (found or {}).items()}
    return {}
