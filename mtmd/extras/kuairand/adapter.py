"""`import_kuairand`: KuaiRand-Pure as published → the log contract, with fitted teachers' scores."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np

from mtmd.config import load_preset
from mtmd.extras.kuairand.fit import taught_logs
from mtmd.extras.kuairand.mapping import map_exposures
from mtmd.extras.kuairand.rows import EPOCH, TeacherConfig
from mtmd.extras.kuairand.source import kuairand_files, read_source
from mtmd.extras.kuairand.tables import LogTables
from mtmd.extras.kuairand.written import Days, TaughtLogs, written_once
from mtmd.store.files import digest, sha256_file
from mtmd.store.stores import resolve

IMPORT_FORMAT = 4  # raise it when the same source would be written differently
_AS_FITTED = TeacherConfig()


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
