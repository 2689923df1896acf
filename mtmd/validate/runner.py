"""Validates a day of logs, or a window of days: stages what the suites ask, and runs them.

Days may be validated from several threads at once: each has its own database.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta

from mtmd.config import DataConfig, Preset
from mtmd.errors import LogsError, ValidationError
from mtmd.expectations import Needs, day_expectations
from mtmd.extract.database import database
from mtmd.extract.sources import load_sources
from mtmd.logs.source import LogSource
from mtmd.validate.results import DayProfile, DayValidation, ExpectationResult, Status, WindowValidation
from mtmd.validate.staging import profile_staged_day, stage_day, stage_earlier_days, stage_previous_requests
from mtmd.validate.suites import run_suites

VALIDATION_FORMAT = 9  # raise it whenever the same suites on the same files would give other results


def validate_day(
    source: LogSource, day: date, preset: Preset, trailing: Sequence[DayProfile] = ()
) -> DayValidation:
    """Validate one day of logs with the three suites.

    `trailing` are profiles of earlier days in any order; those that count are `earlier_days`. Expectations that need
    an earlier day where there is none are not run.
    Raises LogsError when a table is missing or unreadable, or has other columns than declared, naming the table, the
    day and the file: readers of Parquet would coerce, widen and fill silently.
    """
    files = source.source_files(day)
    previous_day, previous = day - timedelta(days=1), []
    if previous_day not in preset.left_out and source.has_day("requests", previous_day):
        previous = source.day_files("requests", previous_day)
    earlier = earlier_days(day, trailing, preset.data)
    with database(source.readable(files, {"requests": previous})) as opened:
        if previous:
            stage_previous_requests(opened, source, previous, day, preset.declarations)
        load_sources(opened.connection, source, files, day, preset.declarations)
        stage_day(opened, source, files, day, preset.declarations)
        profile = profile_staged_day(opened, day, preset.declarations)
        stage_earlier_days(opened, profile, earlier, preset)
        there = {Needs.NOTHING: True, Needs.TRAILING: bool(earlier), Needs.PREVIOUS_DAY: bool(previous)}
        suites = {
            table: [expect for expect in suite if there[expect.needs]]
            for table, suite in day_expectations(preset).items()
        }
        results = run_suites(opened, suites)
    return DayValidation(day=day, results=results, profile=profile, compared=len(earlier))


def earlier_days(day: date, trailing: Sequence[DayProfile], limits: DataConfig) -> list[DayProfile]:
    """The trailing days that a day is compared with, oldest first: the newest ones that have rows enough."""
    comparable = [p for p in trailing if p.day < day and p.candidates >= limits.min_trailing_rows]
    return sorted(comparable, key=lambda p: p.day)[-limits.trailing_days :]


def validate_window(profiles: Sequence[DayProfile], preset: Preset) -> WindowValidation:
    """Whether each domain has rows enough in a window's days together. Raises LogsError when there is no day at all."""
    if not profiles:
        raise LogsError(
            "the window has no days (0); at least 1 day's profile is required: validate its days first"
        )
    days, counts = sorted(profile.day for profile in profiles), Counter[tuple[str, str]]()
    for domain in (domain for profile in profiles for domain in profile.domains):
        counts[domain.surface, domain.product] += domain.candidates
    few = tuple(
        {"surface": surface, "product": product, "candidates": str(rows)}
        for (surface, product), rows in counts.items()
        if rows < preset.data.min_domain_rows
    )
    result = ExpectationResult(
        table="window",
        name="domain_rows",
        description="A domain that has hardly any row in the whole window is learned from nothing: it is declared "
        f"otherwise than it is logged, or the window is too short for {preset.data.min_domain_rows} rows.",
        column="surface, product",
        status=Status.FAILED if few else Status.PASSED,
        observed=len(few),
        unexpected=len(few),
        samples=few,
    )
    return WindowValidation(first=days[0], last=days[-1], results=(result,))


def require(validation: DayValidation | WindowValidation) -> None:
    """Raise ValidationError with the failing expectations, their counts and sample keys, if there are any."""
    if validation.passed:
        return
    lines = [
        f"{validation.title}: {len(validation.failures)} expectations failed; fix the logs, then run again"
    ]
    for result in validation.failures:
        found = f"{result.observed} rows" if result.unexpected is None else f"{result.unexpected} unexpected"
        what = result.message or found
        lines.append(f"- {result.table}.{result.name}: {what}. {result.description}")
        lines += [
            "    " + ", ".join(f"{key}={value}" for key, value in row.items()) for row in result.samples
        ]
    raise ValidationError("\n".join(lines))
