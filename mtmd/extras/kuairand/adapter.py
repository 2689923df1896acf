"""`import_kuairand`: KuaiRand-Pure as published → the log contract, with a fitted teacher's scores."""

import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from pydantic import Field

from mtmd.config import Declarations, Frozen, load_preset
from mtmd.errors import ConfigError
from mtmd.extras.kuairand.day_store import DayStore, check_replaceable
from mtmd.extras.kuairand.mapping import PRODUCTS, SURFACES, TASKS, Exposures, map_exposures
from mtmd.extras.kuairand.source import Source, kuairand_files, read_source
from mtmd.extras.kuairand.tables import LogTables
from mtmd.extras.kuairand.teacher.cross_fit import NEWEST, TeacherScores, cross_fit
from mtmd.extras.kuairand.teacher.quality import ranking_auc
from mtmd.extras.kuairand.teacher.rows import SEEDS, TeacherConfig
from mtmd.extras.kuairand.teacher_inputs import teacher_inputs, teaching_rows
from mtmd.logs.files import alone
from mtmd.store.files import digest, resolve
from mtmd.store.sha256 import sha256_file


class TaskQuality(Frozen):
    """The teacher on one task: newest = the last two days, scored by teachers of earlier days only."""

    task: str
    auc_newest: float | None = Field(description="against what users did; None without both outcomes")
    auc_cross_fitted: float | None = Field(description="likewise, on the days before them")
    mean_score_newest: float
    mean_action_newest: float
    mean_score_cross_fitted: float
    mean_action_cross_fitted: float


class TeacherReport(Frozen):
    """How the heavyweight teacher was fitted, and how it ranks actions it never saw."""

    members: int
    epochs: int
    blocks: int = Field(description="day blocks of the cross-fit")
    newest_days: tuple[date, ...]
    tasks: tuple[TaskQuality, ...]
    auc_profile_enter_newest: float | None = Field(
        description="octr against every profile enter, also those without a click"
    )


class ImportReport(Frozen):
    """One import of KuaiRand-Pure: what was read, dropped, missing and written."""

    logs: str
    identity: str = Field(description="digest of source files, code format, seed, preset columns and teacher")
    reused: bool = Field(description="a complete import of the same identity was there; nothing was written")
    first: date
    last: date
    rows_read: int
    duplicates_dropped: int = Field(description="rows equal to an earlier one in every column")
    other_tabs_dropped: int = Field(description="rows of the ten tiny or inconsistent tabs")
    repeats_dropped: int = Field(description="same user, surface, hour and video: the first exposure stays")
    dates_disagreeing: int = Field(description="rows whose `date` is not the China day of `time_ms`")
    profile_enters_without_click: int = Field(description="not outbound clicks: octr needs a click")
    requests: int
    candidates: int
    candidates_per_day: dict[date, int]
    candidates_per_domain: dict[str, int]
    missing: dict[str, int] = Field(description="empty values per column of the user and video tables")
    teacher: TeacherReport
    seconds: float


IMPORT_FORMAT = 1  # raise it when the same source would be written differently

_MARKER = "import.json"
_EPOCH = date(1970, 1, 1)


def import_kuairand(
    source: Path,
    logs: str | Path,
    *,
    preset: str = "kuairand",
    seed: int = 0,
    on_progress: Callable[[str], None] | None = None,
    teacher: TeacherConfig | None = None,
) -> ImportReport:
    """Write the three log tables of every day in `source`, or reuse them when they are already there.

    source  folder with log_standard_*_pure, user_features_pure and video_features_basic_pure, .csv or .csv.gz
    logs    where the tables go: an empty folder, or an earlier import's, replaced if anything differs
    preset  whose features the tables have

    Raises LogsError naming the file, column or folder that is missing or not as published, and ConfigError for a
    preset with features that KuaiRand has no values for, or a seed that torch does not take.
    """
    if not 0 <= seed < SEEDS:
        raise ConfigError(f"seed ({seed}) must be 0 or more and less than {SEEDS}")
    declarations, target = load_preset(preset).declarations, resolve(logs)
    config, say = teacher or TeacherConfig(), on_progress or (lambda _: None)
    check_replaceable(target, _MARKER)
    with alone(target):
        return _written(source, target, declarations, config, seed, say)


def _written(
    source: Path,
    target: Path,
    declarations: Declarations,
    config: TeacherConfig,
    seed: int,
    say: Callable[[str], None],
) -> ImportReport:
    """The report of the import that `target` has then."""
    started = time.perf_counter()
    identity = _identity(source, declarations, seed, config)
    store = DayStore(target, _MARKER, identity, ImportReport)
    if (report := store.complete("candidates_per_day")) is not None:
        say(f"{target} already holds this import, {report.first} to {report.last}: reused, nothing written")
        return report.model_copy(update={"reused": True, "logs": str(target)})  # it may have been moved

    tables = read_source(source)
    exposures, counts = map_exposures(tables)
    say(f"read {tables.rows} rows: {tables.duplicates} exact duplicates, {len(exposures)} exposures kept")
    _check_columns(tables, exposures, declarations)
    inputs = teacher_inputs(tables, exposures)
    scores = cross_fit(inputs, teaching_rows(exposures), config, seed=seed, on_progress=say)

    store.begin()
    log_tables = LogTables(tables, exposures, scores.scores, declarations)
    days, rows = np.unique(exposures.day, return_counts=True)
    for day in days.tolist():
        store.write(_date(day), log_tables.day(day))
    per_day = dict(zip(map(_date, days.tolist()), rows.tolist(), strict=True))
    report = ImportReport(
        logs=str(store.logs),
        identity=identity,
        reused=False,
        first=min(per_day),
        last=max(per_day),
        rows_read=tables.rows,
        duplicates_dropped=tables.duplicates,
        requests=len(np.unique(exposures.request_id)),
        candidates=len(exposures),
        candidates_per_day=per_day,
        candidates_per_domain=_per_domain(exposures),
        missing=_missing(tables),
        teacher=_teacher_report(exposures, scores),
        seconds=round(time.perf_counter() - started, 1),
        **counts,
    )
    store.finish(report)
    first, last = exposures.time_ms[[0, -1]].astype("datetime64[ms]").astype("datetime64[m]").tolist()
    say(
        f"wrote {report.candidates} candidates of {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC in "
        f"{report.seconds:.0f} s"
    )
    return report


def _check_columns(source: Source, exposures: Exposures, declarations: Declarations) -> None:
    """Raise ConfigError for what can't be written before a teacher is fitted for minutes and earlier logs are removed.

    All days are made: some values alone, such as a fraction, are not of a declared type.
    """
    tables = LogTables(source, exposures, np.zeros((len(exposures), len(TASKS)), np.float32), declarations)
    for day in np.unique(exposures.day).tolist():
        tables.day(day)


def _identity(source: Path, declarations: Declarations, seed: int, config: TeacherConfig) -> str:
    return digest(
        {
            "format": IMPORT_FORMAT,
            "files": {path.name: sha256_file(path) for path in kuairand_files(source)},
            "declarations": declarations.model_dump(mode="json"),
            "seed": seed,
            "teacher": config.model_dump(mode="json"),
        }
    )


def _date(day: int) -> date:
    return _EPOCH + timedelta(days=day)


def _per_domain(exposures: Exposures) -> dict[str, int]:
    domain = exposures.surface * len(PRODUCTS) + exposures.product
    counts = np.bincount(domain, minlength=len(SURFACES) * len(PRODUCTS))
    names = [f"{surface} × {product}" for surface in SURFACES for product in PRODUCTS]
    return dict(zip(names, counts.tolist(), strict=True))


def _missing(tables: Source) -> dict[str, int]:
    """Empty values of every column that has some."""
    return {
        f"{name}.{column}": table[column].null_count
        for name, table in (("users", tables.users), ("videos", tables.videos))
        for column in table.column_names
        if table[column].null_count
    }


def _teacher_report(exposures: Exposures, scores: TeacherScores) -> TeacherReport:
    newest = scores.block == NEWEST
    return TeacherReport(
        members=scores.members,
        epochs=scores.epochs,
        blocks=int(scores.block.max()) + 1,
        newest_days=tuple(_date(int(day)) for day in np.unique(exposures.day[newest])),
        tasks=tuple(
            TaskQuality(
                task=task,
                auc_newest=ranking_auc(score[newest], action[newest]),
                auc_cross_fitted=ranking_auc(score[~newest], action[~newest]),
                mean_score_newest=float(score[newest].mean()),
                mean_action_newest=float(action[newest].mean()),
                mean_score_cross_fitted=float(score[~newest].mean()),
                mean_action_cross_fitted=float(action[~newest].mean()),
            )
            for task, score, action in zip(TASKS, scores.scores.T, exposures.labels.T, strict=True)
        ),
        auc_profile_enter_newest=ranking_auc(scores.scores[newest, 2], exposures.profile_enter[newest]),
    )
