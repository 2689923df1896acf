"""Validate the window's days with their suites: a day once per content, then the window."""

import logging
from collections.abc import Callable
from datetime import date
from pathlib import Path

from pydantic import Field

from mtmd.config import Frozen
from mtmd.errors import LogsError
from mtmd.expectations import day_expectations
from mtmd.extract.stage import Sources, digests_file
from mtmd.logs.contract import table_columns
from mtmd.run import RunPlan
from mtmd.store.files import digest
from mtmd.store.workspace import read_record, write_record
from mtmd.validate.results import DayProfile, DayValidation, Validation
from mtmd.validate.runner import VALIDATION_FORMAT, earlier_days, validate_day, validate_window

_log = logging.getLogger(__name__)


class DataQuality(Frozen):
    """What the suites said of a run's days and of their window."""

    days: tuple[DayValidation, ...]
    window: Validation | None
    reused: tuple[date, ...]
    sources: tuple[str, ...] = Field(description="digest of each day's source files, as they were validated")

    @property
    def passed(self) -> bool:
        return all(validation.passed for validation in self.validations)

    @property
    def validations(self) -> tuple[Validation, ...]:
        return self.days if self.window is None else (*self.days, self.window)


def validate(plan: RunPlan, on_day: Callable[[int, int], object] = lambda *_: None) -> DataQuality:
    """Validate the plan's days, oldest first, then their window; `on_day` is told how many are done, of how many.

    A day that passed before with the same files, declarations and suites is not run again (`validated`); one that
    failed is. All days are looked at before anything is raised: see `runner.require`. Raises LogsError where a day's
    files are missing or unreadable, have other columns than declared, or change while they are validated.
    """
    days: list[DayValidation] = []
    reused: list[date] = []
    trailing: list[DayProfile] = []
    sources = [day_sources(plan, day) for day in plan.all_days]
    for day, source in zip(plan.all_days, sources, strict=True):
        result, is_reused = validated(plan, day, source, trailing)
        reused += [day] if is_reused else []
        trailing += [result.profile] if result.passed else []
        days.append(result)
        _log.info("validated %s: %s", day, "ok" if result.passed else f"{len(result.failures)} FAILED")
        on_day(len(days), len(sources))
    window = validate_window(trailing, plan.preset) if len(trailing) == len(days) else None
    quality = DataQuality(
        days=tuple(days), window=window, reused=tuple(reused), sources=tuple(map(digest, sources))
    )
    # Failures too: it is read, never reused.
    write_record(plan.workspace.latest_validation(plan.as_of), quality, seal=True)
    return quality


def validated(
    plan: RunPlan, day: date, sources: Sources, trailing: list[DayProfile]
) -> tuple[DayValidation, bool]:
    """The day's result, and whether it is one of an earlier run.

    A stored pass does where it was compared with as many earlier days as there are now, or with `min_trailing_days` or
    more. A window's first day is compared with none, so its steadiness is not judged. Which days they were does not
    matter: a late correction of an earlier day must not judge a later one again.
    """
    place, limits = day_record(plan, day, sources), plan.preset.data
    there = len(earlier_days(day, trailing, limits))
    stored = read_record(place, DayValidation)
    if stored is not None and stored.compared >= min(there, limits.min_trailing_days):
        return stored, True
    result = validate_day(plan.source, day, plan.preset, trailing)
    if day_sources(plan, day) != sources:
        raise LogsError(f"logs of {day} changed while they were validated; run again when they are complete")
    if result.passed:
        write_record(place, result, seal=True)
    return result, False


def day_sources(plan: RunPlan, day: date) -> Sources:
    """sha256 of the day's source files, by table and file name; what is remote is fetched as it is by now."""
    plan.source.refresh(day)
    return plan.source.digests(day, cache=digests_file(plan.workspace.shards, day))


def day_record(plan: RunPlan, day: date, sources: Sources) -> Path:
    """Where a pass of the day is stored: its name is of the day's files, declarations and expectations."""
    limits = plan.preset.data
    key = digest(
        {
            "sources": sources,
            "declarations": plan.preset.declarations.model_dump(mode="json"),
            "limits": limits.model_dump(mode="json", exclude={"accepted"}),
            "accepted": day in limits.accepted,
            "format": VALIDATION_FORMAT,
            "contract": table_columns(plan.preset.declarations),
            "expectations": {
                table: [one.model_dump(mode="json", exclude={"where"}) for one in suite]
                for table, suite in day_expectations(plan.preset).items()
            },
            "sql": plan.source.bare_statements(),
        }
    )
    return plan.workspace.validation(day) / f"{key[:16]}.json"
