"""Write the simulated platform's logs for a preset: what the command line and the deployment both do."""

from collections.abc import Callable
from datetime import date, timedelta

from mtmd.config import Frozen, load_preset
from mtmd.errors import ConfigError
from mtmd.sources.simulated.config import WorldConfig
from mtmd.sources.simulated.platform import require_columns, simulate, world_at
from mtmd.store.stores import resolve


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
    on_day: Callable[[int, int], object] = lambda *_: None,
) -> Simulated:
    """Write the days up to `until` that are not there yet, by default one window and its held-out day.

    Sizes are the preset's. Without a seed the world whose logs are there goes on, at its sizes.
    Raises ConfigError for fewer than one day and a preset whose columns the platform can't write; LogsError where
    another world's logs are.
    """
    chosen = load_preset(preset)
    require_columns(chosen)
    count = chosen.window_days + 1 if days is None else days
    if count < 1:
        raise ConfigError(
            f"days ({count}) must be at least 1; leave it out for one window and its held-out day"
        )
    try:
        first = until - timedelta(days=count - 1)
    except OverflowError as error:
        raise ConfigError(f"days ({count}) up to {until} begin before the calendar; choose fewer") from error
    place = logs or chosen.logs
    folder = resolve(place)  # which refuses a bucket before it is asked anything
    config = world_at(folder) if seed is None else None
    if config is None:
        config = WorldConfig.sized(seed or 0, **chosen.simulation.model_dump())
    written = simulate(config, first, until, folder, on_day)
    return Simulated(first=first, last=until, logs=place, written=written)
