"""`import_kuairand`: KuaiRand-Pure as published → the log contract, with a fitted teacher's scores."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from pydantic import Field

from mtmd.config import Frozen, load_preset
from mtmd.extras.kuairand.cross_fit import TeacherReport, cross_fit, teacher_report
from mtmd.extras.kuairand.mapping import map_exposures, teacher_inputs, teaching_rows
from mtmd.extras.kuairand.rows import EPOCH, TeacherConfig
from mtmd.extras.kuairand.source import kuairand_files, read_source
from mtmd.extras.kuairand.tables import LogTables
from mtmd.extras.kuairand.written import Days, written_once
from mtmd.store.files import digest, sha256_file
from mtmd.store.stores import resolve

IMPORT_FORMAT = 2  # raise it when the same source would be written differently
_AS_FITTED = TeacherConfig()


class ImportReport(Frozen):
    """One import of KuaiRand-Pure."""

    logs: str
    reused: bool = Field(
        False, description="a complete import of the same source was there; nothing was written"
    )
    first: date
    last: date
    candidates: int
    teacher: TeacherReport


def import_kuairand(
    source: Path,
    logs: str | Path,
    *,
    preset: str = "kuairand",
    seed: int = 0,
    on_progress: Callable[[str], None] = lambda _: None,
    teacher: TeacherConfig = _AS_FITTED,
) -> ImportReport:
    """Write the three log tables of every day in `source`, or reuse them when they are already there.

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

    def make() -> tuple[ImportReport, Days]:
        tables = read_source(source)
        exposures = map_exposures(tables)
        on_progress(f"read {tables.exposures.num_rows} exposures; {len(exposures)} are candidates")
        rows = teaching_rows(exposures)
        log_tables = LogTables(tables, exposures, declarations)
        days = np.unique(exposures.day).tolist()
        for day in days:  # before a teacher is fitted for minutes: some values are not of every declared type
            log_tables.day(day)
        fitted = cross_fit(
            teacher_inputs(tables, exposures), rows, teacher, seed=seed, on_progress=on_progress
        )
        written = ((EPOCH + timedelta(days=day), log_tables.day(day, fitted.scores)) for day in days)
        report = ImportReport(
            logs=str(target),
            first=EPOCH + timedelta(days=days[0]),
            last=EPOCH + timedelta(days=days[-1]),
            candidates=len(exposures),
            teacher=teacher_report(fitted, rows),
        )
        return report, written

    report, reused = written_once(target, "import.json", identity, ImportReport, make)
    on_progress(f"{target} has this import{' already: nothing was written' if reused else ''}")
    return report.model_copy(update={"reused": reused, "logs": str(target)})  # it may have been moved
