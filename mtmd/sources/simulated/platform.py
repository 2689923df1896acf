"""The simulated platform itself: runs days, block by block, and writes their logs."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from mtmd.config import Frozen, IdsConfig, Preset, load_preset
from mtmd.errors import ConfigError, LogsError
from mtmd.logs.contract import SERVED_BY, TABLES, table_columns
from mtmd.logs.places import day_directory
from mtmd.logs.source import LogSource
from mtmd.sources.simulated.ads import AdMarket, Ads
from mtmd.sources.simulated.config import WorldConfig
from mtmd.sources.simulated.effects import Effects
from mtmd.sources.simulated.outcomes import TASKS, Actions, Scores, act, score
from mtmd.sources.simulated.population import Population, generator
from mtmd.sources.simulated.requests import Pairs, Requests, draw_pairs, draw_requests, request_count
from mtmd.sources.simulated.tables import SCHEMAS, LogBook
from mtmd.store.files import atomic_directory, sweep
from mtmd.store.stores import resolve
from mtmd.store.workspace import read_record, write_record

_IDENTITY = "world.json"
_ROWS_PER_BLOCK = 32_768
ModelOf = Callable[[int], str]


class _World(Frozen):
    """Whose logs a folder has."""

    format: Literal[4] = 4  # raise when the same configuration means other rows
    world: WorldConfig


@dataclass(frozen=True)
class _Block:
    start: int
    requests: Requests
    pairs: Pairs
    scores: Scores
    actions: Actions


class SimulatedPlatform:
    """One world, ready to run any of its days."""

    def __init__(self, config: WorldConfig) -> None:
        self.config = config
        self.population = Population(config)
        self.market = AdMarket(self.population)
        self.effects = Effects(self.population)
        self.book = LogBook(self.population)

    def ads(self, day: date) -> Ads:
        """The ads alive at the start of a day; raises ConfigError before the world's origin."""
        if day < self.config.origin:
            origin = self.config.origin
            raise ConfigError(f"day {day} is before the world's origin ({origin}); set an earlier origin")
        return self.market.ads((day - self.config.origin).days)

    def blocks(self, day: date, ads: Ads) -> Iterator[_Block]:
        """The day's requests, a bounded number at a time: the unit of work, of memory and of random streams."""
        ordinal = day.toordinal()
        total = request_count(self.config, ordinal)
        size = max(1, _ROWS_PER_BLOCK // self.config.candidates_per_request)
        for start in range(0, total, size):
            requests = draw_requests(self.population, ordinal, start, min(start + size, total))
            pairs = draw_pairs(self.population, requests, ads, ordinal, start)
            logits = self.effects.logits(requests, ads, pairs, (day - self.config.origin).days)
            noise = generator(self.config.seed, "noise", ordinal, start)
            unlogged = noise.standard_normal((2, len(pairs.ad), len(TASKS)))
            scores = score(logits, requests, ads, pairs, unlogged)
            acts = generator(self.config.seed, "acts", ordinal, start)
            actions = act(self.config, ads, pairs, scores, acts)
            yield _Block(start, requests, pairs, scores, actions)

    def write_day(self, day: date, logs: Path, model_of: ModelOf | None = None) -> bool:
        """Write the tables of a day that are missing; returns whether one was.

        Rows name the model that answers their user, where `model_of` says which.
        """
        missing = [table for table in TABLES if not day_directory(logs, table, day).exists()]
        if not missing:
            return False
        ads = self.ads(day)
        with _day_writer(logs, day, missing) as write:
            write("ads", self.book.ads(ads))
            for block in self.blocks(day, ads):
                requests, pairs = block.requests, block.pairs
                write("requests", self.book.requests(requests, day.toordinal(), block.start))
                rows = self.book.candidates(requests, ads, pairs, block.scores, block.actions)
                if model_of is not None:
                    users = (requests.users.user_id + 1)[pairs.request].tolist()
                    rows = rows.append_column(SERVED_BY, pa.array(map(model_of, users), pa.string()))
                write("candidates", rows)
        return True


@contextmanager
def _day_writer(logs: Path, day: date, tables: Sequence[str]) -> Iterator[Callable[[str, pa.Table], None]]:
    """Yield what appends rows to a table of the day; rows of other tables than the given ones are dropped."""
    with ExitStack() as stack:
        folders = {t: stack.enter_context(atomic_directory(day_directory(logs, t, day))) for t in tables}
        writers: dict[str, pq.ParquetWriter] = {}

        def write(table: str, rows: pa.Table) -> None:
            if table not in folders:
                return
            if table not in writers:
                path = folders[table] / "part-0.parquet"
                made = pq.ParquetWriter(path, rows.schema, compression="zstd", compression_level=1)
                writers[table] = stack.enter_context(made)
            writers[table].write_table(rows)

        yield write


def simulate(
    config: WorldConfig,
    first: date,
    last: date,
    logs: str | Path,
    on_day: Callable[[int, int], object] = lambda *_: None,
    model_of: ModelOf | None = None,
) -> int:
    """Write the logs of `first`..`last` that are not there yet; each table's day appears whole or not at all.

    Returns the number of days of which a table was missing; calls `on_day` after each day: how many are done, of how
    many. `model_of` is of `write_day`. Raises ConfigError for days before the origin, LogsError when `logs` holds
    another world's days.
    """
    root = resolve(logs)
    _claim(config, root)
    sweep(root)  # of writers that were killed
    platform = SimulatedPlatform(config)
    written = 0
    days = (last - first).days + 1
    for offset in range(days):
        written += platform.write_day(first + timedelta(days=offset), root, model_of)
        on_day(offset + 1, days)
    return written


def world_at(logs: str | Path) -> WorldConfig | None:
    """The simulated world whose logs these are; None where there are none of this version's."""
    found = read_record(resolve(logs) / _IDENTITY, _World)
    return None if found is None else found.world


def require_columns(preset: Preset) -> None:
    """Raise ConfigError for a preset whose logs have other columns than this platform writes."""
    differ = [f"[ids] {preset.ids}, not of BIGINT"] if preset.ids != IdsConfig() else []
    for table, columns in table_columns(preset.declarations).items():
        declared, written = columns.keys(), {*SCHEMAS[table].names}
        differ += [f"{table} with {name}" for name in sorted(declared - written)]
        differ += [f"{table} without {name}" for name in sorted(written - declared)]
    if differ:
        shown = f"{', '.join(differ[:5])}{' and more' if len(differ) > 5 else ''}"
        raise ConfigError(
            f"preset {preset.name!r} can't be simulated, because it has {shown}; use a preset with the columns of "
            "demo, or bring the logs that this one is made for"
        )


def _claim(config: WorldConfig, logs: Path) -> None:
    """Note which world the logs are of: days of two worlds in one folder would be one stream to readers.

    Raises LogsError where the folder has days of another world, or of none.
    """
    found = world_at(logs)
    if found is None:
        if days := LogSource(logs).available_days():
            raise LogsError(
                f"{logs} has logs of {len(days)} days and no {_IDENTITY} of this version: they are not of this world; "
                "use another folder, or remove this one"
            )
        write_record(logs / _IDENTITY, _World(world=config))
    elif found != config:
        asked = config.model_dump()
        differs = ", ".join(
            f"{name}={value!r}, not {asked[name]!r}" for name, value in found if value != asked[name]
        )
        raise LogsError(
            f"{logs / _IDENTITY} says that these logs are of another simulated world ({differs}); write to another "
            "folder, ask for the same world, or remove this folder"
        )


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
    model_of: ModelOf | None = None,
    on_day: Callable[[int, int], object] = lambda *_: None,
) -> Simulated:
    """Write the days up to `until` that are not there yet, by default one window and its held-out day.

    Sizes are the preset's. Without a seed the world whose logs are there goes on, at its sizes. `model_of` is of
    `SimulatedPlatform.write_day`. Raises ConfigError for fewer than one day and a preset whose columns the platform
    can't write; LogsError where another world's logs are.
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
    written = simulate(config, first, until, folder, on_day, model_of)
    return Simulated(first=first, last=until, logs=place, written=written)
