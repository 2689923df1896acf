"""The plan of one run: which days, which configuration, where from and where to."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from statistics import fmean

from pydantic import Field

from mtmd.config import MAX_WINDOW_DAYS, Frozen, Preset, load_preset, variant
from mtmd.errors import ConfigError, LogsError
from mtmd.logs.contract import TABLES
from mtmd.logs.source import LogSource
from mtmd.store.workspace import Workspace

RACE_DAYS = 7  # before the day, that choose its candidate: one of each weekday
RACE_LEAST = 4  # of them: more than half


def plan_window(as_of: date, window_days: int) -> tuple[date, ...]:
    """The `window_days` days before `as_of`, oldest first."""
    try:
        return tuple(as_of - timedelta(days=n) for n in range(window_days, 0, -1))
    except OverflowError as error:
        raise ConfigError(
            f"as_of ({as_of}) has no {window_days} days before it in the calendar; choose a later day"
        ) from error


class Race(Frozen):
    """The models of a preset that may go live on earlier days, by which the day's candidate is chosen."""

    contestants: tuple[str, ...] = Field(description="the preset's own model first")
    days: dict[date, dict[str, float]] = Field(
        description="error of each contestant on each earlier day that has all of them, oldest first"
    )

    def mean(self, contestant: str) -> float | None:
        """The error over the days, each of which counts once; None without a day."""
        return fmean(day[contestant] for day in self.days.values()) if self.days else None

    @property
    def chosen(self) -> str:
        """The contestant with the lowest mean; the preset's own where none is lower, or where days are too few."""
        if len(self.days) < RACE_LEAST:
            return self.contestants[0]
        return min(self.contestants, key=lambda name: self.mean(name) or 0.0)

    @property
    def words(self) -> str:
        """The choice, and why."""
        own, days = self.contestants[0], len(self.days)
        if days < RACE_LEAST:
            return (
                f"{own}, the preset's own model, because {days} of the {RACE_DAYS} days before have numbers of all "
                f"contestants, and {RACE_LEAST} are needed"
            )
        over = f"mean error over {days} of the {RACE_DAYS} days before"
        if self.chosen == own:
            return f"{own}, the preset's own model, because no contestant has a lower {over}"
        return f"{self.chosen}, because it has the lowest {over}"


class RunPlan(Frozen):
    """What every stage of a run needs to know; small enough to hand from task to task."""

    as_of: date
    days: tuple[date, ...]
    preset: Preset
    logs: str
    artifacts: str
    left_out: dict[date, str] = Field(
        {}, description="days that the window would have, and why the preset has not"
    )
    race: Race | None = Field(None, description="what chose the candidate; None for the preset's own model")

    @property
    def candidate(self) -> str:
        """The kind of the day's model that may go live."""
        return self.preset.candidate if self.race is None else self.race.chosen

    @property
    def choice(self) -> dict[str, str]:
        """What names an output that depends on which model is the candidate; empty for the preset's own."""
        return {} if self.candidate == self.preset.candidate else {"candidate": self.candidate}

    @property
    def all_days(self) -> tuple[date, ...]:
        """The window's days, oldest first, then the held-out day."""
        return (*self.days, self.as_of)

    @property
    def source(self) -> LogSource:
        return LogSource.of(self.preset, self.logs, self.workspace.spool)

    @property
    def workspace(self) -> Workspace:
        return Workspace.of(self.artifacts, self.preset)

    def changed(self, variant_name: str | None, seed: int | None = None) -> "RunPlan":
        """The same run with an ablation variant's configuration, or another training seed.

        Raises ConfigError for a variant that there is not.
        """
        preset = self.preset
        if variant_name is not None:
            preset = variant(variant_name, preset.candidate).of(preset)
        if seed is not None:
            preset = preset.model_copy(update={"training": preset.training.model_copy(update={"seed": seed})})
        return self.model_copy(update={"preset": preset})


def plan_run(
    as_of: date,
    preset: str | Preset,
    *,
    window_days: int | None = None,
    logs: str | None = None,
    artifacts: str = "artifacts",
    available: Callable[[], tuple[date, ...]] | None = None,
) -> RunPlan:
    """Resolve a run's parameters and see that its days exist.

    `available` gives the days of the logs; by default the logs are asked, which takes some requests in a bucket.
    Raises ConfigError for a bad preset or window or a day that the preset leaves out; LogsError that lists the days
    which are missing, or when too many of the window are left out.
    """
    chosen = load_preset(preset) if isinstance(preset, str) else preset
    days = chosen.window_days if window_days is None else window_days
    if not chosen.min_window_days <= days <= MAX_WINDOW_DAYS:
        raise ConfigError(
            f"window_days ({days}) must be between {chosen.min_window_days} and {MAX_WINDOW_DAYS}; "
            f"leave it out for the preset's {chosen.window_days}"
        )
    if late := [f"{task.name} ({task.maturity})" for task in chosen.domains.tasks if task.maturity > days]:
        raise ConfigError(f"window_days ({days}) must be at least the maturity of {late}; lengthen it")
    plan = RunPlan(
        as_of=as_of,
        days=training_days(chosen, as_of, days),
        preset=chosen,
        logs=chosen.logs if logs is None else logs,
        artifacts=artifacts,
        left_out={day: chosen.left_out[day] for day in plan_window(as_of, days) if day in chosen.left_out},
    )
    there = (available or plan.source.available_days)()
    require_days(
        f"logs {plan.logs!r}",
        plan.all_days,
        there,
        lambda: {table: plan.source.table(table).days() for table in TABLES},
    )
    if as_of > (today := datetime.now(UTC).date()):  # pages and the clean-up count days from the newest run's
        raise LogsError(
            f"as_of {as_of} is yet to come, though it has logs (this machine's clock: {today}); mend their day"
        )
    return plan


def training_days(preset: Preset, as_of: date, window_days: int) -> tuple[date, ...]:
    """The `window_days` days before `as_of` without those that the preset leaves out, oldest first.

    Raises ConfigError when `as_of` is left out, LogsError when more than a quarter of the window is.
    """
    if (why := preset.left_out.get(as_of)) is not None:
        raise ConfigError(
            f"as_of {as_of} is left out by preset {preset.name!r} ({why})",
            "choose another day, or take it out of left_out",
        )
    window = plan_window(as_of, window_days)
    days = tuple(day for day in window if day not in preset.left_out)
    if 4 * len(days) < 3 * len(window):
        raise LogsError(
            f"{len(window) - len(days)} of the {len(window)} days before {as_of} are left out by preset "
            f"{preset.name!r}; at most a quarter may be",
            "lengthen window_days, or have days delivered again",
        )
    return days


def require_days(
    what: str,
    wanted: Sequence[date],
    there: Sequence[date],
    by_table: Callable[[], Mapping[str, set[date]]] = dict,
) -> None:
    """Raise LogsError naming the `wanted` days that are not `there`; `what` lacks them. Both are oldest first.

    `by_table` has the days of each table, so that the one that lacks a day is named.
    """
    if missing := sorted(set(wanted) - set(there)):
        tables = by_table()
        lacking = {day: [table for table, days in tables.items() if day not in days] for day in missing[:5]}
        shown = ", ".join(
            f"{day} ({', '.join(of)})" if 0 < len(of) < len(tables) else str(day)
            for day, of in lacking.items()
        )
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        newest = max((max(days) for days in tables.values() if days), default=wanted[-1])
        late = [table for table, days in tables.items() if newest > wanted[-1] and newest not in days]
        newer = f"; of {newest} there is no {', no '.join(late)}" if late else ""
        raise LogsError(
            f"{what} lack {len(missing)} of the {len(wanted)} days from {wanted[0]} to as_of {wanted[-1]}: "
            f"{shown}{more}; days there: {_ranges(there)}{newer}",
            "deliver them, choose another as_of, or leave them out (left_out in a preset)",
        )


def _ranges(days: Sequence[date]) -> str:
    """Days in words, each gap seen; of many ranges the newest ones."""
    if not days:
        return "none"
    starts = [n for n, day in enumerate(days) if n == 0 or day - days[n - 1] > timedelta(days=1)]
    ends = [*(n - 1 for n in starts[1:]), len(days) - 1]
    ranges = [f"{days[a]} to {days[b]}" if a < b else str(days[a]) for a, b in zip(starts, ends, strict=True)]
    return ("… " if len(ranges) > 5 else "") + ", ".join(ranges[-5:])
