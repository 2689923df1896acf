"""`fit_teacher`: write logs with teacher scores from logs without.

Teachers are fitted on the actions, and the scores of a row come from teachers that never saw it
(`mtmd/extras/kuairand/cross_fit.py`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from mtmd.config import Declarations, Domains, Frozen, Preset, load_preset
from mtmd.errors import ConfigError, LogsError
from mtmd.extract.blame import blaming
from mtmd.extract.database import reading
from mtmd.extract.sources import check_keys, load_sources, make_keys
from mtmd.extras.kuairand.cross_fit import TeacherReport, cross_fit, teacher_report
from mtmd.extras.kuairand.log_rows import LogRows
from mtmd.extras.kuairand.rows import FOR_LOGS, TeacherConfig
from mtmd.extras.kuairand.written import Days, written_once
from mtmd.logs.contract import optional_columns
from mtmd.logs.digests import Identity, SourceFiles, identities
from mtmd.logs.source import LogSource
from mtmd.store.files import digest
from mtmd.store.stores import in_bucket, resolve

TEACHER_FORMAT = 2  # raise it when the same logs would get other scores
_KEYS = {"requests": "request_id", "ads": "ad_id", "candidates": "request_id, ad_id"}  # order of rows


class TeacherFitReport(Frozen):
    """One fit: what was read, how it was fitted, and how it predicts actions that it never saw."""

    output: str
    reused: bool = Field(False, description="the same fit was there, complete; nothing was written")
    days: tuple[date, ...]
    candidates: int
    shown: int = Field(description="candidates with a label: only these teach")
    teacher: TeacherReport


@dataclass(frozen=True)
class _Read:
    """Days of logs that are read, their files, and what these were before."""

    source: LogSource
    declarations: Declarations
    files: dict[date, SourceFiles]
    before: dict[date, dict[str, Identity]]

    @classmethod
    def of(cls, source: LogSource, preset: Preset, first: date, last: date) -> Self:
        """The days within the bounds that all tables have and the preset does not leave out, oldest first."""
        there = source.available_days()
        days = [day for day in there if first <= day <= last and day not in preset.left_out]
        if not days:
            have = f"{there[0]} to {there[-1]}" if there else "none"
            raise LogsError(
                f"logs {str(source.root)!r} have no day from {first} to {last}; days there: {have}. Deliver days, or "
                "choose others"
            )
        for day in days:
            source.refresh(day)
        files = {day: source.source_files(day) for day in days}
        return cls(source, preset.declarations, files, {day: identities(files[day]) for day in days})

    def tables(self, day: date) -> dict[str, pa.Table]:
        """A day's tables in order of their keys, with the declared columns; scores may be missing or null.

        Raises LogsError for files, columns and keys that are not as the contract says.
        """
        files, declarations = self.files[day], self.declarations
        with reading(self.source.readable(files)) as connection:
            load_sources(connection, self.source, files, day, declarations, without_scores=True)
            with blaming(connection, self.source, files, day):
                make_keys(connection, day, declarations)
                check_keys(connection, day, "candidates")
                return {
                    table: connection.view(f"source_{table}").order(keys).to_arrow_table()
                    for table, keys in _KEYS.items()
                }

    def with_scores(
        self, row_day: NDArray[np.int64], scores: NDArray[np.float32], exists: NDArray[np.bool_]
    ) -> Iterator[tuple[date, dict[str, pa.Table]]]:
        """The days' tables once more, with scores (N, T) of their rows, which are in order of days and keys."""
        stops = np.searchsorted(row_day, np.unique(row_day), side="right")
        for day, start, stop in zip(self.files, (0, *stops), stops, strict=False):
            tables, rows = self.tables(day), slice(start, stop)
            candidates = tables["candidates"]
            if candidates.num_rows != stop - start or identities(self.files[day]) != self.before[day]:
                raise LogsError(
                    f"logs of {day} changed while they were read, or their statements give other rows each time; run "
                    "again when they are complete, or correct the statements"
                )
            domains = self.declarations.domains
            yield day, tables | {"candidates": _scored(candidates, scores[rows], exists[rows], domains)}


def fit_teacher(
    preset: str,
    output: str | Path,
    *,
    logs: str | None = None,
    first_day: date = date.min,
    last_day: date = date.max,
    seed: int = 0,
    teacher: TeacherConfig = FOR_LOGS,
    on_progress: Callable[[str], None] = lambda _: None,
) -> TeacherFitReport:
    """Write the log contract's tables of every day to `output`, with fitted scores, or reuse what is there.

    Raises ConfigError for an output that is the logs themselves, and LogsError for logs that are not as the contract
    says, too few, or changed meanwhile, and for an output folder that this command did not write.
    """
    chosen = load_preset(preset)
    target = resolve(output)
    source = LogSource.of(chosen, logs, target.with_name(f".{target.name}-spool"))
    if not in_bucket(source.root) and target.resolve() == resolve(source.root).resolve():
        raise ConfigError(f"output {target} is the folder of the logs themselves; name another folder")
    read = _Read.of(source, chosen, first_day, last_day)
    identity = digest(
        {
            "format": TEACHER_FORMAT,
            "files": {str(day): source.digests(day) for day in read.files},
            "sql": source.bare_statements(),
            "declarations": chosen.declarations.model_dump(mode="json"),
            "teacher": teacher.model_dump(mode="json"),
            "seed": seed,
        }
    )

    def make() -> tuple[TeacherFitReport, Days]:
        rows = LogRows(read.declarations)
        for day in read.files:
            rows.add(day, read.tables(day))
        teaching = rows.teaching()
        on_progress(f"read {len(teaching)} candidates of {len(read.files)} days")
        fitted = cross_fit(rows.inputs(teaching), teaching, teacher, seed=seed, on_progress=on_progress)
        report = TeacherFitReport(
            output=str(target),
            days=tuple(read.files),
            candidates=len(teaching),
            shown=int(teaching.known.any(axis=1).sum()),
            teacher=teacher_report(fitted, teaching),
        )
        return report, read.with_scores(teaching.day, fitted.scores, rows.exists())

    report, reused = written_once(target, "fit-teacher.json", identity, TeacherFitReport, make)
    on_progress(f"{target} has this fit{' already: nothing was written' if reused else ''}")
    return report.model_copy(update={"reused": reused, "output": str(target)})  # it may have been moved


def _scored(
    candidates: pa.Table, scores: NDArray[np.float32], exists: NDArray[np.bool_], domains: Domains
) -> pa.Table:
    """The same rows with scores (N, T), null where the task does not exist, and without empty columns that may lack."""
    for t, task in enumerate(domains.task_names):
        place = candidates.column_names.index(task)
        column = pa.array(scores[:, t], mask=~exists[:, t])
        candidates = candidates.set_column(place, task, column)
    empty = [name for name in optional_columns(domains) if candidates[name].null_count == candidates.num_rows]
    return candidates.drop_columns(sorted(empty))
