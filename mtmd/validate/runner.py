"""Validates a day of logs, or a window of days: stages what the suites ask, and runs them.

Days may be validated from several threads at once: each has its own database.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date

from mtmd.config import DataConfig, Preset
from mtmd.errors import ValidationError
from mtmd.expectations import day_expectations
from mtmd.extract.database import database
from mtmd.extract.sources import load_sources
from mtmd.logs.source import LogSource
from mtmd.validate.deviations import deviations
from mtmd.validate.results import DayProfile, DayValidation, ExpectationResult, Validation, cause
from mtmd.validate.staging import profile_staged_day, stage_day, stage_deviations
from mtmd.validate.suites import run_suites

VALIDATION_FORMAT = 11  # raise it whenever the same suites on the same files would give other results


def validate_day(
    source: LogSource, day: date, preset: Preset, trailing: Sequence[DayProfile] = ()
) -> DayValidation:
    """Validate one day of logs with the three suites.

    `trailing` are profiles of earlier days in any order; those that count are `earlier_days`.
    Raises LogsError when a table is missing or unreadable, or has other columns than declared, naming the table, the
    day and the file: readers of Parquet would coerce, widen and fill silently.
    """
    files = source.source_files(day)
    earlier = earlier_days(day, trailing, preset.data)
    with database(source.readable(files)) as opened:
        load_sources(opened.connection, source, files, day, preset.declarations)
        stage_day(opened, source, files, day, preset.declarations)
        profile = profile_staged_day(opened, day, preset.declarations)
        stage_deviations(opened, deviations(profile, earlier, preset.data))
        results = run_suites(opened, day_expectations(preset))
    return DayValidation(
        title=day.isoformat(), results=results, day=day, profile=profile, compared=len(earlier)
    )


def earlier_days(day: date, trailing: Sequence[DayProfile], limits: DataConfig) -> list[DayProfile]:
    """The trailing days that a day is compared with, oldest first: the newest ones that have rows enough.

    Days before an accepted change are as no day will be again.
    """
    first = max((changed for changed in limits.accepted if changed < day), default=date.min)
    comparable = [
        profile
        for profile in trailing
        if first <= profile.day < day and sum(profile.candidates.values()) >= limits.min_trailing_rows
    ]
    return sorted(comparable, key=lambda profile: profile.day)[-limits.trailing_days :]


def validate_window(profiles: Sequence[DayProfile], preset: Preset) -> Validation:
    """Whether each domain has rows enough in a window's days together."""
    days, least = [profile.day for profile in profiles], preset.data.min_domain_rows
    candidates = Counter[str]()
    for profile in profiles:
        candidates.update(profile.candidates)
    few = [{"domain": domain, "candidates": str(rows)} for domain, rows in candidates.items() if rows < least]
    result = ExpectationResult(
        table="window",
        name="domain_rows",
        description="A domain that has hardly any row in the whole window is learned from nothing: it is declared "
        f"otherwise than it is logged, or the window is too short for {least} rows.",
        unexpected=len(few),
        samples=tuple(few),
    )
    return Validation(title=f"window {min(days)} … {max(days)}", results=(result,))


def require(*validations: Validation) -> None:
    """Raise ValidationError if an expectation stops the run: the first one, then all with counts and sample keys."""
    stopping = [validation for validation in validations if not validation.passed]
    if not stopping:
        return
    apart = [one for one in stopping if not (isinstance(one, DayValidation) and one.is_compared_only)]
    right = "correct the expectation" if apart else "accept the change ([data.accepted] in the preset)"
    lines = [f"{cause(stopping)}; have the table delivered again, or {right}, then run again"]
    for result in (result for validation in stopping for result in validation.failures):
        lines.append(f"- {result.table}.{result.name}: {result.found}. {result.description}")
        lines += [
            "    " + ", ".join(f"{key}={value}" for key, value in row.items()) for row in result.samples
        ]
    failed = ValidationError("\n".join(lines))
    failed.day = next((one.day for one in apart if isinstance(one, DayValidation)), None)
    raise failed
