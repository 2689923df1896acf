"""Days of the window that were rewritten since the champion saw them: which table, column and domain, and by how much.

Both versions of a day are compared row by row, as long as the shard that the champion saw is stored. Of days whose
earlier shard is gone, validation's records still tell which tables changed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mtmd.config import Declarations
from mtmd.errors import MtmdError
from mtmd.extract.shards import Days, ShardRef, open_shard
from mtmd.registry.bundle import load_bundle
from mtmd.registry.registry import Registry
from mtmd.report.past import RecordedQuality, latest_run
from mtmd.report.shard_changes import ROWS, Change, comparable, shard_changes
from mtmd.store.outputs import read_record
from mtmd.store.workspace import Workspace
from mtmd.validate.results import DayValidation, WindowValidation

_COMPARED = 10  # days that are compared row by row, the newest first: each costs a reading of two shards
_LISTED, _NAMED = 40, 3
_LEAST_SIZE = 0.1  # so much counts a change of values that moves no mean, such as a shuffle

Validation = DayValidation | WindowValidation


@dataclass(frozen=True)
class Found:
    """One column in one domain, over the days on which it changed."""

    change: Change
    days: tuple[date, ...]

    @property
    def weight(self) -> float:
        """Which change is told first: one of many rows that moves the column far."""
        return self.change.share * (_LEAST_SIZE + self.change.size)

    @property
    def versions(self) -> tuple[str, str]:
        """What the column was, and what it is: rows, missing values or a mean, whichever tells more."""
        change, before, after = self.change, self.change.before, self.change.after
        if change.column == ROWS:
            return f"{before.rows:,} rows", f"{after.rows:,}"
        missing = abs(after.missing_share - before.missing_share)
        if before.mean is not None and after.mean is not None and not missing == change.size > 0:
            return f"mean {before.mean:.4g}", f"{after.mean:.4g}"
        if not missing:
            return "", "other values"
        return f"{before.missing_share:.1%} missing", f"{after.missing_share:.1%}"

    @property
    def share_words(self) -> str:
        """Of the rows that differ, among those of the days on which some do."""
        return f"{self.change.share:.0%}" if self.change.share >= 0.01 else "less than 1%"

    @property
    def day_words(self) -> str:
        return _days(self.days)

    @property
    def name(self) -> str:
        return f"{self.change.table}: {self.change.column}"

    @property
    def words(self) -> str:
        """`ads: price in shopping, mean 12.1 → 1210, 100% of its rows`"""
        versions = " → ".join(filter(None, self.versions))
        share = "" if self.change.column == ROWS else f", {self.share_words} of its rows differ"
        return f"{self.name} in {self.change.where}, {versions}{share}"


@dataclass(frozen=True)
class Rewritten:
    """The rewritten days of those that the champion saw too, what changed in them, and what is not known of it.

    found   the change that counts most first
    more    changes that are not listed
    notes   days that were not compared, and why
    same    days that were compared, and hold the same values
    """

    days: tuple[date, ...] = ()
    seen: int = 0
    found: tuple[Found, ...] = ()
    more: int = 0
    notes: tuple[str, ...] = ()
    same: int = 0

    @property
    def words(self) -> str:
        """For the first screen; empty where no day was rewritten."""
        if not self.days:
            return ""
        if not self.found:
            return f"{self.head}: {'; '.join([*self._same_words, *self.notes])}"
        first, *others = self.found
        names = dict.fromkeys(one.name for one in others if one.name != first.name)
        return f"{self.head}: {first.words}{_others(list(names))}"

    @property
    def _same_words(self) -> list[str]:
        if not self.same:
            return []
        rows = "their rows" if self.same == len(self.days) else f"the rows of {self.same} of them"
        return [f"{rows} hold the same values (the SQL or the declarations changed)"]

    @property
    def head(self) -> str:
        """`2 of 19 training days were rewritten since the champion saw them (2026-01-15, 2026-01-18)`"""
        one = len(self.days) == 1
        verb, them = ("was", "it") if one else ("were", "them")
        training = f"{len(self.days)} of {self.seen} training days"
        return f"{training} {verb} rewritten since the champion saw {them} ({_days(self.days)})"


def rewritten(
    workspace: Workspace,
    champion: str,
    seen: Mapping[date, str],
    days: Days,
    declarations: Declarations,
    validations: Sequence[Validation],
) -> Rewritten:
    """Of the window's days that the champion saw, those that have another shard now; `seen` has its fingerprints."""
    shared = [ref for ref in days.window if ref.day in seen]
    other = [ref for ref in shared if seen[ref.day] != ref.fingerprint]
    if not other:
        return Rewritten()
    comparing = _Comparing(workspace, champion, seen, declarations, validations)
    changes: dict[tuple[str, str, str], list[tuple[date, Change]]] = {}
    notes: list[str] = []
    same = 0
    for ref in other[-_COMPARED:]:
        try:
            own = list(comparing.changes(ref))
            same += not own
            for change in own:
                changes.setdefault((change.table, change.column, change.where), []).append((ref.day, change))
        except MtmdError as error:
            notes.append(f"{ref.day} {comparing.tables(ref.day)} ({error})")
    if left := other[:-_COMPARED]:
        notes.append(f"{_days([ref.day for ref in left])}: not compared, only the newest {_COMPARED} are")
    found = sorted((_found(own) for own in changes.values()), key=lambda one: one.weight, reverse=True)
    return Rewritten(
        tuple(ref.day for ref in other),
        len(shared),
        tuple(found[:_LISTED]),
        max(0, len(found) - _LISTED),
        tuple(notes),
        same,
    )


@dataclass(frozen=True)
class _Comparing:
    """What both versions of a day are found by."""

    workspace: Workspace
    champion: str
    seen: Mapping[date, str]
    declarations: Declarations
    validations: Sequence[Validation]

    def changes(self, ref: ShardRef) -> Iterator[Change]:
        """Raises an MtmdError where the two versions can't be compared."""
        theirs = load_bundle(Registry(self.workspace.root).path(self.champion)).declarations
        if not comparable(theirs, self.declarations):
            raise MtmdError("the champion has other surfaces, products or tasks")
        if theirs.hash_seed != self.declarations.hash_seed:
            raise MtmdError("the champion hashes values in another way (hash_seed)")
        place = self.workspace.shards / f"date={ref.day.isoformat()}" / self.seen[ref.day][:16]
        if not place.is_dir():
            raise MtmdError("the shard that the champion saw is gone")
        return shard_changes(open_shard(place), theirs, open_shard(Path(ref.path)), self.declarations)

    def tables(self, day: date) -> str:
        """`changed in requests and ads`, by the digests that validation recorded of each table."""
        run = latest_run(self.workspace, self.champion)
        quality = None if run is None else read_record(run / "validation.json", RecordedQuality)
        before, now = _digests(quality.days if quality else (), day), _digests(self.validations, day)
        if not before or not now:
            return "changed, in which table is not known"
        names = [table for table in now if before.get(table) != now[table]]
        return f"changed in {' and '.join(names)}" if names else "has the same values as before"


def _digests(validations: Iterable[Validation], day: date) -> Mapping[str, str]:
    for one in validations:
        if isinstance(one, DayValidation) and one.day == day and one.profile is not None:
            return one.profile.digests
    return {}


def _found(own: Sequence[tuple[date, Change]]) -> Found:
    days, changes = zip(*own, strict=True)
    whole = changes[0]
    for change in changes[1:]:
        whole = whole + change
    return Found(whole, days)


def _days(days: Sequence[date]) -> str:
    if len(days) <= _NAMED:
        return ", ".join(map(str, days))
    return f"{days[0]} to {days[-1]}"


def _others(names: Sequence[str]) -> str:
    """`; also ads: price, ads: bid and 4 more columns`"""
    if not names:
        return ""
    more = len(names) - _NAMED
    return f"; also {', '.join(names[:_NAMED])}" + (f" and {more} more" if more > 0 else "")
