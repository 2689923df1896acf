"""Validates a day of logs, or a window of days: stages what the suites ask, and runs them.

Days may be validated from several threads at once: each has its own database.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

from mtmd.config import DataConfig, Preset
from mtmd.errors import LogsError, ValidationError
from mtmd.expectations import Needs
from mtmd.logs.contract import TABLES, optional_columns, table_columns
from mtmd.logs.digests import file_names
from mtmd.logs.reading import create_source_view
from mtmd.logs.source import LogSource
from mtmd.validate.deviations import deviations
from mtmd.validate.gx_duckdb import database
from mtmd.validate.profiles import profile_staged_day
from mtmd.validate.results import (
    DayProfile,
    DayValidation,
    ExpectationResult,
    Status,
    WindowValidation,
    compare_schema,
)
from mtmd.validate.staging import (
    columns_of,
    stage_day,
    stage_deviations,
    stage_found,
    stage_previous_requests,
    stage_trailing,
)
from mtmd.validate.suites import day_suites, run_suites, window_suites

VALIDATION_FORMAT = 7  # raise it whenever the same suites on the same files would give other results


def validate_day(
    source: LogSource, day: date, preset: Preset, trailing: Sequence[DayProfile] = ()
) -> DayValidation:
    """Validate one day of logs with the three suites.

    `trailing` are profiles of earlier days in any order; the newest `preset.data.trailing_days` of those
    before `day` that have `preset.data.min_trailing_rows` candidates count. A schema that is not as declared
    is a failed result, and the suites are then not run.
    Raises LogsError when a table is missing, empty or unreadable, naming the table, the day and the file.
    """
    declared, optional = table_columns(preset.declarations), optional_columns(preset.domains)
    files = source.source_files(day)
    previous_day = day - timedelta(days=1)
    previous = [] if previous_day in preset.left_out else _requests_if_there(source, previous_day)
    with database(source.readable(files, {"requests": previous})) as opened:
        columns = {
            table: {file: columns_of(opened, source, table, file, day) for file in files[table]}
            for table in TABLES
        }
        schemas = tuple(
            compare_schema(
                table,
                declared[table],
                dict(zip(file_names(columns[table]), columns[table].values(), strict=True)),
                optional,
            )
            for table in TABLES
        )
        if not all(result.success for result in schemas):
            return DayValidation(day=day, results=schemas + tuple(_not_run(schemas)))
        for table in TABLES:
            create_source_view(
                opened.connection, f"source_{table}", source, table, day, declared[table], columns[table]
            )
        limits = preset.data
        earlier = earlier_days(day, trailing, limits)
        present = {
            Needs.NOTHING: True,
            Needs.TRAILING: bool(earlier),
            Needs.PREVIOUS_DAY: bool(previous),
            Needs.POSITION: all("position" in found for found in columns["candidates"].values()),
        }
        stage_day(opened, source, files, day, preset, present)
        stage_trailing(opened, earlier)
        profile = profile_staged_day(opened, day, preset.declarations)
        stage_deviations(opened, deviations(profile, earlier, preset.declarations, limits))
        stage_previous_requests(opened, source, previous, previous_day, preset.ids.request)
        stage_found(opened, source, files["candidates"], day, preset, present)
        results = run_suites(opened, day_suites(preset), present)
    return DayValidation(day=day, results=schemas + results, profile=profile)


def earlier_days(day: date, trailing: Sequence[DayProfile], limits: DataConfig) -> list[DayProfile]:
    """Those of the trailing days that the day is compared with, oldest first."""
    comparable = [p for p in trailing if p.day < day and p.candidates >= limits.min_trailing_rows]
    return sorted(comparable, key=lambda p: p.day)[-limits.trailing_days :]


def _requests_if_there(source: LogSource, day: date) -> list[Path]:
    return source.day_files("requests", day) if source.has_day("requests", day) else []


def validate_window(profiles: Sequence[DayProfile], preset: Preset) -> WindowValidation:
    """Validate the days of a window, together, with the window's suite.

    Raises LogsError when there is no day at all.
    """
    if not profiles:
        raise LogsError(
            "the window has no days (0); at least 1 day's profile is required: validate its days first"
        )
    days = sorted(profile.day for profile in profiles)
    with database(()) as opened:
        stage_trailing(opened, profiles)
        results = run_suites(opened, window_suites(preset), dict.fromkeys(Needs, True))
    return WindowValidation(first=days[0], last=days[-1], results=results)


def require(validation: DayValidation | WindowValidation) -> None:
    """Raise ValidationError with the failing expectations, their counts and sample keys, if there are any."""
    if validation.passed:
        return
    lines = [
        f"{validation.title}: {len(validation.failures)} expectations failed; fix the logs, then run again"
    ]
    for result in validation.failures:
        what = result.message if result.status is Status.RAISED else f"{result.unexpected} unexpected"
        lines.append(f"- {result.table}.{result.name}: {what}. {result.description}")
        lines += [
            "    " + ", ".join(f"{key}={value}" for key, value in row.items()) for row in result.samples
        ]
    raise ValidationError("\n".join(lines))


def _not_run(schemas: Iterable[ExpectationResult]) -> Iterator[ExpectationResult]:
    wrong = ", ".join(result.table for result in schemas if not result.success)
    for table in TABLES:
        yield ExpectationResult(
            table=table,
            name="suite",
            description="Content is checked only when the columns are as declared.",
            status=Status.SKIPPED,
            message=f"not run: the columns of {wrong} are not as declared",
        )
