"""Validate the window's days with their suites: a day once per content, then the window."""

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

from pydantic import Field

from mtmd.config import Frozen
from mtmd.errors import LogsError
from mtmd.expectations import day_expectations
from mtmd.extract.stage import Sources, digests_file
from mtmd.logs.contract import TABLES, table_columns
from mtmd.run import RunPlan
from mtmd.store.files import digest
from mtmd.store.workspace import read_record, write_record
from mtmd.validate.results import DayProfile, DayValidation, WindowValidation
from mtmd.validate.runner import VALIDATION_FORMAT, earlier_days, validate_day, validate_window
from mtmd.validate.runner import require as require_validation

_AT_ONCE = 4  # days of a bucket; each that is new may hold 64 MiB of parts while it is fetched
_log = logging.getLogger(__name__)


class DataQuality(Frozen):
    """What the suites said of a run's days and of their window."""

    days: tuple[DayValidation, ...]
    window: WindowValidation | None
    reused: tuple[date, ...]
    sources: tuple[str, ...] = Field(description="digest of each day's source files, as they were validated")

    @property
    def passed(self) -> bool:
        return all(validation.passed for validation in self.validations)

    @property
    def validations(self) -> tuple[DayValidation | WindowValidation, ...]:
        return self.days if self.window is None else (*self.days, self.window)


def validate(plan: RunPlan) -> DataQuality:
    """Validate the plan's days, oldest first, then their window.

    A day that passed before with the same files, declarations and suites is not run again (`day_records`); one that
    failed is. All days are looked at before anything is raised: see `require`. Raises LogsError where a day's files are
    missing or unreadable, have other columns than declared, or change while they are validated.
    """
    days: list[DayValidation] = []
    reused: list[date] = []
    trailing: list[DayProfile] = []
    sources = _all_sources(plan)
    for day, source in zip(plan.all_days, sources, strict=True):
        earlier = len(earlier_days(day, trailing, plan.preset.data))
        records = day_records(plan, day, source, earlier)
        stored = (read_record(place, DayValidation) for place in reversed(records))
        result = next((one for one in stored if one is not None and one.day == day), None)
        if result is not None:
            reused.append(day)
        else:
            result = validate_day(plan.source, day, plan.preset, trailing)
            if day_sources(plan, day) != source:
                raise LogsError(
                    f"logs of {day} changed while they were validated; run again when they are complete"
                )
            if result.passed:
                write_record(records[0], result, seal=True)
        if result.passed:
            trailing.append(result.profile)
        days.append(result)
        _log.info("validated %s: %s", day, "ok" if result.passed else f"{len(result.failures)} FAILED")
    window = validate_window(trailing, plan.preset) if len(trailing) == len(days) else None
    quality = DataQuality(
        days=tuple(days), window=window, reused=tuple(reused), sources=tuple(map(digest, sources))
    )
    # Failures too: it is read, never reused.
    write_record(plan.workspace.latest_validation(plan.as_of), quality, seal=True)
    return quality


def require(quality: DataQuality) -> None:
    """Raise ValidationError for the first validation that failed, with expectations, counts and sample keys."""
    for validation in quality.validations:
        require_validation(validation)


def _all_sources(plan: RunPlan) -> list[Sources]:
    """As `day_sources`, of all days; those of a bucket are asked for side by side, since each waits for its answers."""
    at_once = _AT_ONCE if all(map(plan.source.is_in_bucket, TABLES)) else 1
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(lambda day: day_sources(plan, day), plan.all_days))


def day_sources(plan: RunPlan, day: date) -> Sources:
    """sha256 of the day's source files, by table and file name; what is remote is fetched as it is by now."""
    plan.source.refresh(day)
    return plan.source.digests(day, cache=digests_file(plan.workspace.shards, day))


def day_records(plan: RunPlan, day: date, sources: Sources, earlier: int) -> list[Path]:
    """Where passes of a day are that do for a run with so many earlier days to compare it with; its own is the first.

    A record is named by the day's files, declarations and expectations, and by how many earlier days it was compared
    with. The more they were, the more it is worth; from `min_trailing_days` on, all are worth the same. The window's
    first day is compared with none, so its steadiness is not judged. Which days they were is left out on purpose: a
    late correction of an earlier day must not judge a later one again.
    """
    limits, before = plan.preset.data, day - timedelta(days=1)
    key = digest(
        {
            "sources": sources,
            "declarations": plan.preset.declarations.model_dump(mode="json"),
            "limits": limits.model_dump(mode="json", exclude={"accepted"}),
            # What is still as it was on an accepted day before stops nothing.
            "accepted": [one in limits.accepted for one in (before, day)],
            "day_before_left_out": before in plan.preset.left_out,
            "format": VALIDATION_FORMAT,
            "contract": table_columns(plan.preset.declarations),
            "expectations": {
                table: [one.model_dump(mode="json") for one in suite]
                for table, suite in day_expectations(plan.preset).items()
            },
            "sql": plan.source.bare_statements(),
        }
    )
    enough = limits.min_trailing_days
    place = plan.workspace.validation(day)
    return [place / f"{key[:16]}-{compared}.json" for compared in range(min(earlier, enough), enough + 1)]
