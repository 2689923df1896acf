"""Validate the window's days with their suites: a day, and the window's aggregates, once per content."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path

from pydantic import Field

from mtmd.config import DataConfig, Frozen
from mtmd.errors import LogsError
from mtmd.expectations import day_expectations, window_expectations
from mtmd.logs.contract import TABLES, table_columns
from mtmd.run import RunPlan
from mtmd.store.files import digest
from mtmd.store.outputs import read_record, write_record
from mtmd.store.stores import store_of
from mtmd.validate.results import DayProfile, DayValidation, WindowValidation
from mtmd.validate.runner import VALIDATION_FORMAT, earlier_days, validate_day, validate_window
from mtmd.validate.runner import require as require_validation

_AT_ONCE = 4  # days of a bucket; each that is new may hold 64 MiB of parts while it is fetched

Sources = dict[str, dict[str, str]]  # of a day: sha256 of each file, by table and file name


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


def validate(plan: RunPlan, on_day: Callable[[DayValidation], None] | None = None) -> DataQuality:
    """Validate the plan's days, oldest first, then their window.

    A day that passed before with the same files, declarations and suites is not run again; one that failed is,
    and one that passed beside fewer earlier days than this run has (`stands`).
    All days are looked at before anything is raised: see `require`. Raises LogsError where a day's files are
    missing, empty or unreadable, or change while they are validated.
    """
    days: list[DayValidation] = []
    reused: list[date] = []
    trailing: list[DayProfile] = []
    sources = all_sources(plan)
    for day, source in zip(plan.all_days, sources, strict=True):
        earlier = len(earlier_days(day, trailing, plan.preset.data))
        place = day_record(plan, day, source)
        stored = read_record(place, DayValidation)
        if stored is not None and stored.day == day and stands(stored, earlier, plan.preset.data):
            result = stored
            reused.append(day)
        else:
            result = validate_day(plan.source, day, plan.preset, trailing)
            if day_sources(plan, day) != source:
                raise LogsError(
                    f"logs of {day} changed while they were validated; run again when they are complete"
                )
            result = result.model_copy(update={"compared": earlier})
            if result.passed:
                _keep(place, result, plan.preset.data)
        if result.passed and result.profile is not None:
            trailing.append(result.profile)
        days.append(result)
        if on_day is not None:
            on_day(result)
    window = _validated_window(plan, trailing) if len(trailing) == len(days) else None
    quality = DataQuality(
        days=tuple(days), window=window, reused=tuple(reused), sources=tuple(map(digest, sources))
    )
    # Failures too: it is read, never reused.
    write_record(plan.workspace.latest_validation(plan.as_of), quality, seal=True)
    return quality


def _validated_window(plan: RunPlan, profiles: Sequence[DayProfile]) -> WindowValidation:
    """The window's suite on its days; one that passed on the same numbers is not run again."""
    read = {"day", "domains", "null_rates", "digests"}  # what a window is staged from
    key = digest(
        {
            "days": [profile.model_dump(mode="json", include=read) for profile in profiles],
            "expectations": [asdict(one) for one in window_expectations(plan.preset)],
            "format": VALIDATION_FORMAT,
        }
    )
    stored = plan.workspace.validation(plan.as_of) / f"window-{key[:16]}.json"
    passed, days = read_record(stored, WindowValidation), [profile.day for profile in profiles]
    if passed is not None and (passed.first, passed.last) == (min(days), max(days)):
        return passed
    result = validate_window(profiles, plan.preset)
    if result.passed:
        write_record(stored, result, seal=True)
    return result


def stands(stored: DayValidation, earlier: int, limits: DataConfig) -> bool:
    """Whether a stored pass does for a run that has so many earlier days to compare the day with.

    The window's first day is compared with no earlier day, so its steadiness is not judged. A pass is worth more, the
    more earlier days the day was compared with; from `min_trailing_days` on, all are worth the same. Failures are not
    stored: a run that is stopped changes nothing.
    """
    return _worth(stored, limits) >= min(earlier, limits.min_trailing_days)


def _keep(place: Path, passed: DayValidation, limits: DataConfig) -> None:
    """Store a day's pass, but not over one that is worth more: another run may have judged the day meanwhile."""
    store_of(place).fetch(place)  # another machine may have stored one since this one looked
    there = read_record(place, DayValidation)
    if there is None or there.day != passed.day or _worth(there, limits) <= _worth(passed, limits):
        write_record(place, passed, seal=True)


def _worth(validation: DayValidation, limits: DataConfig) -> int:
    return min(validation.compared, limits.min_trailing_days)


def require(quality: DataQuality) -> None:
    """Raise ValidationError for the first validation that failed, with expectations, counts and sample keys."""
    for validation in quality.validations:
        require_validation(validation)


def all_sources(plan: RunPlan, known: dict[date, Sources] | None = None) -> list[Sources]:
    """As `day_sources`, of all days; those of a bucket are asked for side by side, since each waits for its answers.

    `known` has days that were asked for before, and gets the others.
    """
    found = {} if known is None else known

    def ask(day: date) -> None:
        found[day] = day_sources(plan, day)

    new = [day for day in plan.all_days if day not in found]
    if all(map(plan.source.is_in_bucket, TABLES)):
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(ask, new))
    else:
        list(map(ask, new))
    return [found[day] for day in plan.all_days]


def day_sources(plan: RunPlan, day: date) -> Sources:
    """sha256 of the day's source files, by table and file name; what is remote is fetched as it is by now."""
    plan.source.refresh(day)
    cache = plan.workspace.shards / "digests" / f"date={day.isoformat()}.json"
    return plan.source.digests(day, cache=cache)


def day_record(plan: RunPlan, day: date, sources: dict[str, dict[str, str]]) -> Path:
    """Where a passed day's results are: named by its files' content, its declarations and all its expectations.

    The days that it was compared with are left out on purpose: a late correction of an earlier day must not
    judge a later one again. How many they were is in the results.
    """
    suites = day_expectations(plan.preset)
    accepted, before = plan.preset.data.accepted, day - timedelta(days=1)
    # What is still as it was on an accepted day before stops nothing.
    after = {"after_accepted": True} if before in accepted else {}
    key = digest(
        {
            "sources": sources,
            "declarations": plan.preset.declarations.model_dump(mode="json"),
            "limits": plan.preset.data.model_dump(mode="json", exclude={"accepted"}),
            "accepted": day in accepted,
            "day_before_left_out": before in plan.preset.left_out,
            "format": VALIDATION_FORMAT,
            "contract": table_columns(plan.preset.declarations),
            "expectations": {batch: [asdict(one) for one in suite] for batch, suite in suites.items()},
            "sql": {table: plan.source.bare_statement(table) for table in TABLES},
        }
        | after
    )
    return plan.workspace.validation(day) / f"{key[:16]}.json"
