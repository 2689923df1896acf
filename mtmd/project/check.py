"""`mtmd check`: all that is wrong with a preset, its statements and a day of its logs, in one run of seconds.

Nothing is trained or stored, and neither torch nor great-expectations is loaded. What can't be checked because of a
finding is left out; the rest goes on as if the finding were mended.
"""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from mtmd.config import Preset
from mtmd.errors import ConfigError
from mtmd.extract.database import reading
from mtmd.logs.contract import TABLES, table_columns
from mtmd.logs.reading import MORE_MEMORY, is_without_memory
from mtmd.logs.source import LogSource
from mtmd.project.columns import MendedTable, mend_columns
from mtmd.project.cost import check_cost
from mtmd.project.day_features import check_features
from mtmd.project.day_rows import check_rows, own_expectations_load, stage
from mtmd.project.days import DaysCheck, check_days, window_files
from mtmd.project.engine import Connection, EngineError
from mtmd.project.findings import Finding, Part, ProjectCheck, error, fact
from mtmd.project.other_days import check_other_days
from mtmd.project.preset_check import check_preset
from mtmd.project.statements import StatementsCheck, check_statements
from mtmd.sources.simulated.platform import require_world_of_gate
from mtmd.store.files import scratch


def check_project(name_or_path: str, *, logs: str | None = None, as_of: date | None = None) -> ProjectCheck:
    """Check a preset and its logs; the rows are those of `as_of`, by default the newest day that all tables have.

    Raises ConfigError where there is no such preset.
    """
    checked = check_preset(name_or_path)
    findings = list(checked.findings)
    if checked.preset is not None:
        findings += _check_logs(checked.preset, logs or checked.preset.logs, as_of, checked.names)
    order = list(Part)
    findings.sort(key=lambda finding: order.index(finding.part))
    return ProjectCheck(preset=name_or_path, findings=tuple(findings))


def _check_logs(preset: Preset, logs: str, as_of: date | None, names: frozenset[str]) -> Iterator[Finding]:
    preset, wrong = own_expectations_load(preset)
    yield from wrong
    try:
        require_world_of_gate(preset, logs)
    except ConfigError as impossible:
        yield error(Part.PRESET, "ab_test.gate", str(impossible), "set ab_test.gate to false")
    with scratch() as folder:
        source = LogSource.of(preset, logs, folder / "spool")
        days = check_days(preset, source, as_of)
        yield from days.findings
        if days.as_of is None:
            return
        readable = source.readable(days.files, {"window": window_files(source, days.window)})
        with reading(readable) as connection:
            try:
                statements = check_statements(connection, source, days.files, days.as_of)
                yield from statements.findings
                if set(statements.tables) == set(TABLES):
                    yield from _check_day(connection, preset, source, days, statements, names, folder)
            except EngineError as wrong:
                if not is_without_memory(wrong):
                    raise
                yield error(Part.ROWS, str(days.as_of), str(wrong).splitlines()[0], MORE_MEMORY)


def _check_day(
    connection: Connection,
    preset: Preset,
    source: LogSource,
    days: DaysCheck,
    statements: StatementsCheck,
    names: frozenset[str],
    folder: Path,
) -> Iterator[Finding]:
    """Columns, then rows and features of the held-out day."""
    assert days.as_of is not None  # or there was nothing to stage
    mended = {}
    declared = table_columns(preset.declarations)
    for table, read in statements.tables.items():
        paths = days.files[table]
        try:
            mended[table] = mend_columns(connection, read, paths, preset.declarations, declared[table], names)
        except EngineError as wrong:  # files that do not fit each other
            if is_without_memory(wrong):
                raise
            remedy = "each file of a day needs the same columns: write them again"
            yield error(Part.COLUMNS, table, str(wrong).splitlines()[0], remedy)
            return
        yield from mended[table].findings
        if not mended[table].findings and read.columns is not None:
            there = len(declared[table].keys() - mended[table].missing)
            yield fact(Part.COLUMNS, table, f"{there} columns, as declared")
    yield from check_other_days(connection, statements.tables, days.window, preset.declarations)
    impossible = stage(connection, mended, days.as_of, preset, folder)
    yield from impossible
    if not impossible:
        skipped = {table for table, read in statements.tables.items() if read.columns is None}
        yield from check_rows(connection, preset, mended, skipped)
        yield from _features(connection, preset, mended, skipped)
        yield from check_cost(connection, preset, source, (*days.window, days.as_of), statements.seconds)


def _features(
    connection: Connection, preset: Preset, mended: dict[str, MendedTable], skipped: set[str]
) -> Iterator[Finding]:
    for finding in check_features(connection, preset, mended):
        if finding.place.split(".")[0] not in skipped:
            yield finding
