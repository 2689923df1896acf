"""What every night of the soak came to, and whether the month ended as it had to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from mtmd.errors import MtmdError
from mtmd.registry.registry import Registry
from mtmd.report.tables.evaluation import Cell, Column, Table

_WORDS = 160  # of an explanation; the artifact has all of them
_FIRST_NIGHT = "there is no champion"
_ENDS = {  # how the daily run and the monitor end on a bad day, and what the monitor says; Completed on the others
    "late day": ("Failed", "Breach", "newest logs"),
    "corrupt day": ("Failed", "Breach", "more than once"),
    "planted drift": ("Completed", "Breach", "PSI"),
}


@dataclass(frozen=True)
class Night:
    """One day: its delivery, its monitor, its daily run, and the champion afterwards."""

    day: date
    event: str
    mended: str
    monitor: str
    found: str
    daily: str
    promoted: bool
    words: str
    champion: str | None
    expected: str | None
    note: str
    seconds: float

    @property
    def faults(self) -> Iterator[str]:
        """What must not be."""
        if self.champion != self.expected:
            yield f"{self.day}: the champion is {self.champion}, the verdicts say {self.expected}"
        if not self.promoted and not self.words:
            yield f"{self.day}: did not promote, and no artifact says why"
        if "OTHER FILES" in self.note:
            yield f"{self.day}: {self.note}"
        daily, monitor, found = _ENDS.get(self.event, ("Completed", "Completed", ""))
        if self.daily != daily:
            yield f"{self.day} {self.event}: the daily run ended {self.daily}, not {daily}"
        if (self.monitor != monitor or found not in self.found) and _FIRST_NIGHT not in self.found:
            yield f"{self.day} {self.event}: the monitor ended {self.monitor} ({self.found}), not {monitor} {found}"


def ledger(nights: Sequence[Night]) -> Table:
    """A row a night; what promoted says so in a word, everything else with its explanation."""
    columns = tuple(
        Column(name=name, kind="text")
        for name in ("day", "what happened", "monitor", "daily run", "live afterwards", "explained by")
    )
    rows: list[tuple[Cell, ...]] = [
        (
            str(one.day),
            _joined(one.event, one.mended, one.note),
            _joined(one.monitor, _short(one.found)),
            one.daily,
            (one.champion or "nothing") + ("" if one.promoted else " (kept)"),
            "" if one.promoted and not one.note else _short(one.words),
        )
        for one in nights
    ]
    return Table(
        title=f"{len(nights)} days, each with a monitor and a daily run", columns=columns, rows=tuple(rows)
    )


def lost(registry: Registry, nights: Sequence[Night], unfinished: Sequence[str]) -> list[str]:
    """Whatever is not as it must be at the end: faults of nights, models, pages, runs. Empty when all is well."""
    found = [fault for one in nights for fault in one.faults]
    history = registry.history()
    if [one.sequence for one in history] != list(range(1, len(history) + 1)):
        found.append("the history has gaps")
    for model in {one.model_id for one in history}:
        try:
            registry.verify(model)
        except MtmdError as error:
            found.append(f"{model} is not as it was promoted: {error}")
    for one in nights:
        runs = list((registry.root / "runs").glob(f"{one.day}-*"))
        if not any((run / "report.html").is_file() for run in runs):
            found.append(f"{one.day}: no decision with a report in the end")
        if not list((registry.root / "shards").glob(f"date={one.day}/*/manifest.json")):
            found.append(f"{one.day}: no shard")
    found += [f"{path} is half-written" for path in registry.root.rglob(".tmp-*")]
    found += [f"run {name} never ended" for name in unfinished]
    return found


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _short(words: str) -> str:
    line = " ".join(words.split())
    return line if len(line) <= _WORDS else line[: _WORDS - 1] + "…"
