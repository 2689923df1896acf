"""`fit_teacher`: write logs with teacher scores from logs without; `import_kuairand`: from KuaiRand-Pure as published.

Teachers are fitted on the actions, and the scores of a day come from teachers of earlier days
(`mtmd/extras/kuairand/day_scores.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mtmd.config import Declarations, Domains, Preset, load_preset
from mtmd.errors import ConfigError, LogsError
from mtmd.extract.blame import blaming
from mtmd.extract.database import reading
from mtmd.extract.sources import check_keys, load_sources, make_keys
from mtmd.extras.kuairand.day_scores import daily_scores, task_qualities
from mtmd.extras.kuairand.log_rows import LogRows
from mtmd.extras.kuairand.rows import EPOCH, TeacherConfig
from mtmd.extras.kuairand.source import kuairand_files, map_exposures, read_source
from mtmd.extras.kuairand.tables import LogTables
from mtmd.extras.kuairand.written import Days, Tables, TaughtLogs, written_once
from mtmd.logs.contract import optional_columns
from mtmd.logs.digests import Identity, SourceFiles, identities
from mtmd.logs.source import LogSource
from mtmd.store.files import digest, sha256_file
from mtmd.store.stores import in_bucket, resolve

IMPORT_FORMAT = 4  # raise it when the same source would be written differently
TEACHER_FORMAT = 4  # raise it when the same logs would get other scores
_KEYS = {"requests": "request_id", "ads": "ad_id", "candidates": "request_id, ad_id"}  # order of rows
_AS_FITTED = TeacherConfig()


_CHANGED = (
    "logs of {day} changed while they were read, or their statements give other rows each time; run again when they "
    "are complete, or correct the statements"
)


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

    def tables(self, day: date) -> Tables:
        """A day's tables in order of their keys, with the declared columns; scores may be missing or null.

        Raises LogsError for files that changed, and for files, columns and keys that are not as the contract says.
        """
        files, declarations = self.files[day], self.declarations
        with reading(self.source.readable(files)) as connection:
            load_sources(connection, self.source, files, day, declarations, without_scores=True)
            with blaming(connection, self.source, files, day):
                make_keys(connection, day, declarations)
                check_keys(connection, day, "candidates")
                tables = {
                    table: connection.view(f"source_{table}").order(keys).to_arrow_table()
                    for table, keys in _KEYS.items()
                }
        if identities(files) != self.before[day]:
            raise LogsError(_CHANGED.format(day=day))
        return tables


def taught_logs(
    target: Path,
    days: Sequence[date],
    tables: Callable[[date], Tables],
    declarations: Declarations,
    teacher: TeacherConfig,
    *,
    seed: int,
    on_progress: Callable[[str], None],
) -> tuple[TaughtLogs, Days]:
    """Fit teachers on these days, oldest first, and give those that can be scored once more, with scores.

    `tables` is asked for a day's tables twice. Raises LogsError when they have other rows the second time.
    """
    log_rows = LogRows(declarations)
    for day in days:
        log_rows.add(day, tables(day))
    rows = log_rows.teaching()
    on_progress(f"read {len(rows)} candidates of {len(days)} days")
    fitted = daily_scores(log_rows.inputs(rows), rows, teacher, seed=seed, on_progress=on_progress)
    scored, exists = np.isfinite(fitted.scores[:, 0]), log_rows.exists()
    of_day = {day: np.flatnonzero(rows.day == (day - EPOCH).days) for day in days}
    written = [day for day in days if scored[of_day[day]].any()]

    def with_scores() -> Days:
        for day in written:
            again, where = tables(day), of_day[day]
            if again["candidates"].num_rows != len(where):
                raise LogsError(_CHANGED.format(day=day))
            columns = fitted.scores[where], exists[where], declarations.domains
            yield day, again | {"candidates": _scored(again["candidates"], *columns)}

    report = TaughtLogs(
        logs=str(target),
        only_taught=tuple(day for day in days if day not in written),
        days=tuple(written),
        candidates=int(scored.sum()),
        members=teacher.members,
        tasks=task_qualities(fitted, rows),
    )
    return report, with_scores()


def fit_teacher(
    preset: str,
    output: str | Path,
    *,
    logs: str | None = None,
    first_day: date = date.min,
    last_day: date = date.max,
    seed: int = 0,
    teacher: TeacherConfig = _AS_FITTED,
    on_progress: Callable[[str], None] = lambda _: None,
) -> TaughtLogs:
    """Write the log contract's tables of the days that can be scored to `output`, or reuse what is there.

    Raises ConfigError for an output that is the logs themselves and for a task that has a label's name, and LogsError
    for logs that are not as the contract says, too few, or changed meanwhile, and for another's output folder.
    """
    chosen = load_preset(preset)
    target = resolve(output)
    source = LogSource.of(chosen, logs, target.with_name(f".{target.name}-spool"))
    if not in_bucket(source.root) and target.resolve() == resolve(source.root).resolve():
        raise ConfigError(f"output {target} is the folder of the logs themselves; name another folder")
    domains = chosen.domains
    if both := {*domains.task_names} & {task.label for task in domains.tasks}:
        raise ConfigError(
            f"task {min(both)} has the name of a label, which its score would replace; rename the task"
        )
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

    def make() -> tuple[TaughtLogs, Days]:
        return taught_logs(
            target, [*read.files], read.tables, read.declarations, teacher, seed=seed, on_progress=on_progress
        )

    return written_once(target, "fit-teacher.json", identity, make, on_progress)


def _scored(
    candidates: pa.Table, scores: NDArray[np.float32], exists: NDArray[np.bool_], domains: Domains
) -> pa.Table:
    """The same rows with scores (N, T), null where the task does not exist, and without empty columns that may lack."""
    for t, task in enumerate(domains.task_names):
        place = candidates.column_names.index(task)
        column = pa.array(scores[:, t], mask=~exists[:, t])
        candidates = candidates.set_column(place, task, column)
    optional = optional_columns(domains).intersection(candidates.column_names)
    empty = [name for name in optional if candidates[name].null_count == candidates.num_rows]
    return candidates.drop_columns(sorted(empty))


def import_kuairand(
    source: Path,
    logs: str | Path,
    *,
    preset: str = "kuairand",
    seed: int = 0,
    on_progress: Callable[[str], None] = lambda _: None,
    teacher: TeacherConfig = _AS_FITTED,
) -> TaughtLogs:
    """Write the three log tables of the days in `source` that can be scored, or reuse them when they are there.

    source  folder with log_standard_*_pure, user_features_pure and video_features_basic_pure, .csv or .csv.gz
    logs    where the tables go: an empty folder, or an earlier import's, replaced if anything differs
    preset  whose features the tables have

    Raises LogsError naming the file, column or folder that is missing or not as published, and ConfigError for a
    preset with features that KuaiRand has no values for.
    """
    declarations, target = load_preset(preset).declarations, resolve(logs)
    identity = digest(
        {
            "format": IMPORT_FORMAT,
            "files": {path.name: sha256_file(path) for path in kuairand_files(source)},
            "declarations": declarations.model_dump(mode="json"),
            "seed": seed,
            "teacher": teacher.model_dump(mode="json"),
        }
    )

    def make() -> tuple[TaughtLogs, Days]:
        tables = read_source(source)
        exposures = map_exposures(tables)
        on_progress(f"read {tables.exposures.num_rows} exposures; {len(exposures)} are candidates")
        days = [EPOCH + timedelta(days=day) for day in np.unique(exposures.day).tolist()]
        log_tables = LogTables(tables, exposures, declarations)
        return taught_logs(
            target, days, log_tables.day, declarations, teacher, seed=seed, on_progress=on_progress
        )

    return written_once(target, "import.json", identity, make, on_progress)
