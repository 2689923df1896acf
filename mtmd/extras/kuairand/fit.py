"""Write logs with teacher scores from logs without: fit teachers on the actions, and score every row unseen.

The scores of a row come from teachers that never saw it (`mtmd/extras/kuairand/teacher/cross_fit.py`).
"""

import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from mtmd.config import Declarations, Domains, Frozen, Preset, load_preset
from mtmd.errors import ConfigError, LogsError
from mtmd.extras.kuairand.day_store import DayStore, check_replaceable, read_day_tables
from mtmd.extras.kuairand.teacher.cross_fit import NEWEST, NEWEST_DAYS, cross_fit
from mtmd.extras.kuairand.teacher.log_inputs import log_inputs
from mtmd.extras.kuairand.teacher.log_rows import LogReader, LogRows
from mtmd.extras.kuairand.teacher.quality import FitQuality, fit_quality
from mtmd.extras.kuairand.teacher.rows import FOR_LOGS, SEEDS, TeacherConfig
from mtmd.logs.contract import optional_columns
from mtmd.logs.digests import Identity, SourceFiles, identities
from mtmd.logs.files import alone
from mtmd.logs.source import LogSource
from mtmd.store.files import digest, in_bucket, resolve

TEACHER_FORMAT = 1  # raise it when the same logs would get other scores
MARKER = "fit-teacher.json"
_GIB = 2**30


class TeacherFitReport(Frozen):
    """One fit: what was read, how it was fitted, and how it predicts actions that it never saw."""

    output: str
    identity: str = Field(
        description="digest of files, statements, declarations, settings, seed and code format"
    )
    reused: bool = Field(description="the same fit was there, complete; nothing was written")
    days: tuple[date, ...]
    candidates: int
    shown: int = Field(description="candidates that were impressed: only these teach")
    row_bytes: int = Field(description="memory that a fit holds of one candidate")
    newest_days: tuple[date, ...] = Field(description="scored by teachers of earlier days only")
    blocks: int = Field(description="day blocks of the cross-fit before them")
    members: int = Field(description="teachers in each score")
    epochs: int
    seconds_reading: float
    seconds_fitting: float
    seconds_writing: float
    quality: tuple[FitQuality, ...]


class TeacherFitSettings(Frozen):
    """Which days are read, and how teachers are fitted on them."""

    first_day: date | None = Field(None, description="oldest day; the oldest that the logs have when omitted")
    last_day: date | None = Field(None, description="newest day; the newest that the logs have when omitted")
    maturity: dict[str, Annotated[int, Field(lt=2**31)]] = Field(
        {}, description="by task, days after which its labels are final"
    )
    memory_gib: float = Field(
        8.0, gt=0, allow_inf_nan=False, description="most memory that the rows may need"
    )
    seed: int = Field(0, ge=0, lt=SEEDS)
    teacher: TeacherConfig = FOR_LOGS


def fit_teacher(
    preset: str,
    output: str | Path,
    settings: TeacherFitSettings,
    *,
    logs: str | None = None,
    on_progress: Callable[[str], None] = lambda _: None,
) -> TeacherFitReport:
    """Write the log contract's tables of every day to `output`, with fitted scores, or reuse what is there.

    Raises ConfigError for settings that can't be, and LogsError for logs that are not as the contract says, too few or
    too large, and for an output folder that this command did not write.
    """
    chosen = load_preset(preset)
    target = resolve(output)
    source = LogSource.of(chosen, logs, target / ".spool")
    if not in_bucket(source.root) and target.resolve() == resolve(source.root).resolve():
        raise ConfigError(f"output {target} is the folder of the logs themselves; name another folder")
    check_replaceable(target, MARKER)
    with alone(target):
        return _written(chosen, source, target, settings, on_progress)


def _written(
    chosen: Preset,
    source: LogSource,
    target: Path,
    settings: TeacherFitSettings,
    on_progress: Callable[[str], None],
) -> TeacherFitReport:
    """The report of the fit that `target` has then."""
    days = _days(chosen, source, settings)
    before = _identities(days)
    store = DayStore(target, MARKER, _identity(source, days, chosen, settings), TeacherFitReport)
    if (there := store.complete("days")) is not None:
        on_progress(
            f"{target} has this fit already, {there.days[0]} to {there.days[-1]}: reused, nothing written"
        )
        return there.model_copy(update={"reused": True, "output": str(target)})  # it may have been moved
    report = _Fit(source, days, chosen.declarations, on_progress).run(store, settings)
    if _identities(days) != before:
        store.begin()  # which removes what was written
        raise LogsError(
            f"files of {source.root} changed while they were read; run again when they are complete"
        )
    store.finish(report)
    return report


def _days(preset: Preset, source: LogSource, settings: TeacherFitSettings) -> dict[date, SourceFiles]:
    """Files of each day within the bounds that all tables have and the preset does not leave out, oldest first."""
    there = source.available_days()
    first, last = settings.first_day or date.min, settings.last_day or date.max
    days = [day for day in there if first <= day <= last and day not in preset.left_out]
    if not days:
        have = f"{there[0]} to {there[-1]}" if there else "none"
        raise LogsError(
            f"logs {str(source.root)!r} have no day from {first} to {last}; days there: {have}. Deliver days, or "
            "choose others"
        )
    for day in days:
        source.refresh(day)
    return {day: source.source_files(day) for day in days}


def _identities(days: dict[date, SourceFiles]) -> dict[str, Identity]:
    return {path: one for files in days.values() for path, one in identities(files).items()}


def _identity(
    source: LogSource, days: dict[date, SourceFiles], preset: Preset, settings: TeacherFitSettings
) -> str:
    return digest(
        {
            "format": TEACHER_FORMAT,
            "files": {
                str(day): {
                    table: list(digests.values()) for table, digests in _digests(source, day, files).items()
                }
                for day, files in days.items()
            },
            "sql": source.bare_statements(),
            "declarations": preset.declarations.model_dump(mode="json"),
            "settings": settings.model_dump(mode="json", exclude={"memory_gib", "first_day", "last_day"}),
        }
    )


def _digests(source: LogSource, day: date, files: SourceFiles) -> dict[str, dict[str, str]]:
    """Of the files that were listed before; a bucket's are known since they were fetched."""
    at_hand = {table: paths for table, paths in files.items() if not source.is_in_bucket(table)}
    return source.digests(day, at_hand=at_hand)


class _Fit:
    """One fit, from the days' tables to the days with scores."""

    def __init__(
        self,
        source: LogSource,
        days: dict[date, SourceFiles],
        declarations: Declarations,
        on_progress: Callable[[str], None],
    ) -> None:
        self._source = source
        self._days = days
        self._declarations = declarations
        self._say = on_progress

    def run(self, store: DayStore[TeacherFitReport], settings: TeacherFitSettings) -> TeacherFitReport:
        """Read, fit and write."""
        began = time.perf_counter()
        reader = LogReader(self._declarations, settings.maturity, int(settings.memory_gib * _GIB))
        for day in self._days:
            reader.add(day, self._tables(day))
        rows = reader.rows()
        self._say(f"read {len(rows)} candidates of {len(self._days)} days, {int(rows.shown.sum())} shown")
        read = time.perf_counter()
        inputs = log_inputs(rows, self._declarations)
        fitted = cross_fit(inputs, rows.teaching, settings.teacher, seed=settings.seed, on_progress=self._say)
        newest = fitted.block == NEWEST
        quality = fit_quality(fitted.scores, rows, newest, self._declarations.domains)
        done = time.perf_counter()
        store.begin()
        self._write(store, rows, fitted.scores)
        return TeacherFitReport(
            output=str(store.logs),
            identity=store.identity,
            reused=False,
            days=tuple(self._days),
            candidates=len(rows),
            shown=int(rows.shown.sum()),
            row_bytes=reader.row_bytes,
            newest_days=tuple(self._days)[-NEWEST_DAYS:],
            blocks=int(fitted.block.max()) + 1,
            members=fitted.members,
            epochs=fitted.epochs,
            seconds_reading=round(read - began, 1),
            seconds_fitting=round(done - read, 1),
            seconds_writing=round(time.perf_counter() - done, 1),
            quality=quality,
        )

    def _tables(self, day: date) -> dict[str, pa.Table]:
        return read_day_tables(self._source, self._days[day], day, self._declarations)

    def _write(self, store: DayStore[TeacherFitReport], rows: LogRows, scores: NDArray[np.float32]) -> None:
        """The days' tables as they were read, with the scores of their rows, which are in order of days and keys."""
        stops = np.searchsorted(rows.teaching.day, np.unique(rows.teaching.day), side="right")
        for day, start, stop in zip(self._days, (0, *stops), stops, strict=False):
            tables, part = self._tables(day), slice(start, stop)
            if (count := tables["candidates"].num_rows) != stop - start:
                store.begin()
                raise LogsError(
                    f"candidates of {day} had {stop - start} rows at first and {count} later; statements must give the "
                    "same rows each time: correct source_candidates.sql"
                )
            tables["candidates"] = with_scores(
                tables["candidates"], scores[part], rows.exists[part], self._declarations.domains
            )
            store.write(day, tables)
        self._say(f"wrote {len(rows)} candidates with their scores to {store.logs}")


def with_scores(
    candidates: pa.Table, scores: NDArray[np.float32], exists: NDArray[np.bool_], domains: Domains
) -> pa.Table:
    """The same rows with scores (N, T), null where the task does not exist, and without empty columns that may lack."""
    for t, task in enumerate(domains.task_names):
        place = candidates.column_names.index(task)
        column = pa.array(scores[:, t], mask=~exists[:, t])
        candidates = candidates.set_column(place, task, column)
    empty = [name for name in optional_columns(domains) if candidates[name].null_count == candidates.num_rows]
    return candidates.drop_columns(sorted(empty))
