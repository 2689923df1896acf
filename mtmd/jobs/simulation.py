"""Write the simulated platform's logs for a preset: what the command line and the deployment both do."""

from collections.abc import Callable
from datetime import date, timedelta

from mtmd.config import Frozen, load_preset
from mtmd.errors import ConfigError, LogsError
from mtmd.sources.simulated.config import WorldConfig
from mtmd.sources.simulated.platform import (
    has_further_tasks,
    history_columns,
    require_columns,
    simulate,
    world_at,
)
from mtmd.store.files import resolve


class Simulated(Frozen):
    """Days of logs that are there now."""

    first: date
    last: date
    logs: str
    written: int

    @property
    def words(self) -> str:
        return f"logs {self.first} to {self.last} are in {self.logs}; {self.written} days are new"


def simulate_days(
    until: date,
    preset: str,
    *,
    days: int | None = None,
    logs: str | None = None,
    seed: int | None = None,
    requests_per_day: int | None = None,
    users: int | None = None,
    ads: int | None = None,
    on_day: Callable[[], None] | None = None,
) -> Simulated:
    """Write the days up to `until` that are not there yet, by default one window and its held-out day.

    Without a seed and a size, the world whose logs are there goes on; where there are none, and for what is not given
    beside others, it is as the preset's `simulation` says, with seed 0. The preset's tasks say whether candidates have
    cvr and relevance too, its features whether requests have histories.
    Raises ConfigError for fewer than one day, a size that cannot work, and a preset whose columns the platform can't
    write; LogsError where another world's logs are, or the same without or with these tasks.
    """
    chosen = load_preset(preset)
    require_columns(chosen)
    count = chosen.window_days + 1 if days is None else days
    if count < 1:
        raise ConfigError(
            f"days ({count}) must be at least 1; leave it out for one window and its held-out day"
        )
    try:
        first, place = until - timedelta(days=count - 1), logs or chosen.logs
    except OverflowError as error:
        raise ConfigError(f"days ({count}) up to {until} begin before the calendar; choose fewer") from error
    folder = resolve(place)  # which refuses a bucket before it is asked anything
    written = 0

    def tell(day: date, rows: int) -> None:
        nonlocal written
        written += rows > 0
        if on_day is not None:
            on_day()

    size = chosen.simulation
    config = WorldConfig.sized(
        seed or 0,
        requests_per_day=size.requests_per_day if requests_per_day is None else requests_per_day,
        users=size.users if users is None else users,
        ads=size.ads if ads is None else ads,
        further_tasks=has_further_tasks(chosen),
        histories=history_columns(chosen),
    )
    if (existing := world_at(place)) is not None:
        _require_columns_of(existing, config, preset, place)
        if all(value is None for value in (seed, requests_per_day, users, ads)):
            config = existing
    simulate(config, first, until, folder, on_day=tell)
    return Simulated(first=first, last=until, logs=place, written=written)


def _require_columns_of(world: WorldConfig, wanted: WorldConfig, preset: str, place: str) -> None:
    """One folder is of one world, and the columns of its logs are a part of that."""
    for key, words in (("further_tasks", "cvr and relevance"), ("histories", "histories")):
        there, asked = getattr(world, key), getattr(wanted, key)
        if there != asked:
            raise LogsError(
                f"the logs in {place} are of a simulated world with {words} {there!r}, and preset {preset!r} asks for "
                f"{asked!r}",
                "use another folder, or remove this one",
            )
