"""The simulated platform itself: runs days, block by block, and writes their logs.

`world_at` and `world_of` find the simulated world behind a line's logs, for what only its truth can say.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mtmd.config import IdsConfig, Preset
from mtmd.errors import ConfigError, LogsError
from mtmd.logs.contract import HOW_FOUND, TABLES, table_columns
from mtmd.logs.places import alone, day_directory
from mtmd.logs.source import LogSource
from mtmd.sources.simulated.ads import AdMarket, Ads
from mtmd.sources.simulated.config import WorldConfig
from mtmd.sources.simulated.effects import Effects
from mtmd.sources.simulated.outcomes import TASKS, Actions, Scores, act, score
from mtmd.sources.simulated.population import Population, generator
from mtmd.sources.simulated.requests import Pairs, Requests, draw_pairs, draw_requests, request_count
from mtmd.sources.simulated.tables import SCHEMAS, LogBook
from mtmd.store.files import atomic_directory, read_json, sweep, write_json
from mtmd.store.stores import resolve

_FORMAT = 4  # raise when the same configuration means other rows
_IDENTITY = "world.json"


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
        _require_origin(self.config, day)
        return self.market.ads((day - self.config.origin).days)

    def blocks(self, day: date, ads: Ads) -> Iterator[_Block]:
        """The day's requests, a bounded number at a time."""
        ordinal = day.toordinal()
        total, size = request_count(self.config, ordinal), self.config.block_requests
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

    def write_day(self, day: date, logs: Path) -> int:
        """Write the tables of a day that are missing; returns the candidate rows drawn, 0 if none was."""
        missing = [table for table in TABLES if not day_directory(logs, table, day).exists()]
        if not missing:
            return 0
        ads = self.ads(day)
        rows = 0
        with _day_writer(logs, day, missing) as write:
            write("ads", self.book.ads(ads))
            for block in self.blocks(day, ads):
                requests, pairs = block.requests, block.pairs
                write("requests", self.book.requests(requests, day.toordinal(), block.start))
                write("candidates", self.book.candidates(requests, ads, pairs, block.scores, block.actions))
                rows += len(pairs.ad)
        return rows


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
    on_day: Callable[[date, int], None] | None = None,
) -> None:
    """Write the logs of `first`..`last` that are not there yet; each table's day appears whole or not at all.

    Calls `on_day(day, candidate rows)` after each day, with 0 rows for one that was there. Raises ConfigError
    for an empty range or days before the origin, LogsError when `logs` holds another world's days.
    """
    if last < first:
        raise ConfigError(f"last ({last}) must not be before first ({first}); swap them")
    _require_origin(config, first)  # before the folder is this world's
    root = resolve(logs)
    _claim(config, root)
    sweep(root)  # of writers that were killed
    platform = SimulatedPlatform(config)
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        rows = platform.write_day(day, root)
        if on_day is not None:
            on_day(day, rows)


def world_at(logs: str | Path) -> WorldConfig | None:
    """The simulated world whose logs these are; None where there are none yet.

    Raises LogsError where another version of this platform wrote them.
    """
    path = resolve(logs) / _IDENTITY
    if not path.exists():
        return None
    found = read_json(path)
    try:
        if found["format"] == _FORMAT:
            return WorldConfig.model_validate(found["world"])
        why = f"it has format {found['format']}, and {_FORMAT} is needed"
    except (KeyError, TypeError, ValueError) as error:
        why = str(error)
    raise LogsError(
        f"{path} does not describe a simulated world of this version ({why}); use another folder, or remove this one"
    )


def world_of(preset: Preset, logs: str) -> WorldConfig:
    """The world whose logs these are.

    Raises ConfigError for a preset with other columns than its platform writes, LogsError where the logs are of none.
    """
    require_columns(preset)
    world = world_at(logs)
    if world is None:
        raise LogsError(
            f"logs {logs!r} are not of a simulated world, and only its truth says what people would have done "
            "with other ads; use a preset whose logs `mtmd simulate` wrote"
        )
    return world


def require_columns(preset: Preset) -> None:
    """Raise ConfigError for a preset whose logs have other columns than this platform writes."""
    differ = [f"[ids] {preset.ids}, not of BIGINT"] if preset.ids != IdsConfig() else []
    for table, columns in table_columns(preset.declarations).items():
        declared, written = columns.keys() - HOW_FOUND.keys(), {*SCHEMAS[table].names}
        differ += [f"{table} with {name}" for name in sorted(declared - written)]
        differ += [f"{table} without {name}" for name in sorted(written - declared)]
    if differ:
        shown = f"{', '.join(differ[:5])}{' and more' if len(differ) > 5 else ''}"
        raise ConfigError(
            f"preset {preset.name!r} can't be simulated, because it has {shown}; use a preset with the columns of "
            "demo, or bring the logs that this one is made for"
        )


def _require_origin(config: WorldConfig, day: date) -> None:
    if day < config.origin:
        raise ConfigError(f"day {day} is before the world's origin ({config.origin}); set an earlier origin")


def _claim(config: WorldConfig, logs: Path) -> None:
    """Note which world the logs are of: days of two worlds in one folder would be one stream to readers.

    Raises LogsError where the folder has days of another world, or of none.
    """
    path = logs / _IDENTITY
    with alone(logs):  # two worlds that begin at once would both find an empty folder
        if (found := world_at(logs)) is None:
            if days := LogSource(logs).available_days():
                raise LogsError(
                    f"{logs} has logs of {len(days)} days and no {_IDENTITY}: they are not of this world; "
                    "use another folder, or remove this one"
                )
            write_json(path, {"format": _FORMAT, "world": config.model_dump(mode="json")})
        elif found != config:
            before = found.model_dump()
            differs = ", ".join(
                f"{name}={before[name]!r}, not {value!r}"
                for name, value in config.model_dump().items()
                if before[name] != value
            )
            raise LogsError(
                f"{path} says that these logs are of another simulated world ({differs}); write to another folder, ask "
                "for the same world, or remove this folder"
            )
