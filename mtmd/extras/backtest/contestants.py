"""Who takes part in a backtest, and on which days: presets, changes of one, and its rivals."""

import tomllib
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mtmd.config import Frozen, Preset, load_preset
from mtmd.config.base import merged, nearest
from mtmd.errors import ConfigError, EvaluationError
from mtmd.evaluate.predictors import score_day
from mtmd.extract.shards import Shard, ShardRef
from mtmd.logs.source import LogSource
from mtmd.run import RunPlan, plan_run
from mtmd.store.files import digest, sweep
from mtmd.store.workspace import Workspace
from mtmd.train.stage import Trained, load_for_scoring, require_machine
from mtmd.train.trainer import recipe_of

DAYS = 7  # one of each weekday
# Sections of a preset that decide the rows and features of a day; others decide what is learnt from them.
_READING = {"name", "logs", "sql", "sources", "expectations", "domains", "features", "ids", "data"}

# What contestants must have alike of a day, in its order.
_SHARED = (
    "request_id",
    "ad_id",
    "surface",
    "product",
    "request_row",
    "ad_row",
    "teacher",
    "labels",
    "impressed",
)


class Contestant(Frozen):
    """One way to train a model, on every day of a backtest."""

    name: str
    words: str = Field(description="what it is")
    preset: Preset
    kind: str = Field(description="what is trained: the day's candidate of the preset, or one of its rivals")
    seeds: tuple[int, ...] = Field((), description="one training each, on each day")
    plans: tuple[RunPlan, ...] = Field((), description="of each day, oldest first")

    def reading(self, place: int) -> str:
        """Contestants that agree in it have the same shards of a day and of its window."""
        return digest(
            [
                self.preset.model_dump(mode="json", include=_READING),
                self.plans[place].all_days,
                self.plans[place].logs,
            ]
        )


class OnDay(Frozen):
    """A contestant on one day."""

    name: str
    plan: RunPlan
    held_out: ShardRef
    trained: tuple[Trained, ...] = Field(description="by seed")

    def scores(self, shard: Shard) -> list[NDArray[np.float32]]:
        """Of each seed's model, (P, T)."""
        declarations = self.plan.preset.declarations
        return [score_day(load_for_scoring(self.plan, one), shard, declarations) for one in self.trained]


def plan_backtest(
    preset: str,
    *,
    days: int | None = None,
    first: date | None = None,
    last: date | None = None,
    against: Sequence[str] | None = None,
    changes: Sequence[str] | None = None,
    rivals: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    window_days: int | None = None,
    logs: str | None = None,
    artifacts: str = "artifacts",
) -> tuple[Contestant, ...]:
    """The preset itself first, with which all others are compared; nothing runs, half-written outputs are removed.

    Raises ConfigError for a wrong preset, change, rival or day, for two contestants that are the same, and for one that
    is not about the same rows; LogsError that names the days, and the tables, that the logs lack.
    """
    entries = list(_entered(preset, against or (), changes or (), rivals or ()))
    base = entries[0].preset
    _require_distinct(entries)
    for one in entries:
        _require_same_rows(one, base, logs)
        require_machine(one.preset)
    held_out = held_out_days(base, days, first, last, logs, artifacts)

    at: dict[str, Any] = {"window_days": window_days, "logs": logs, "artifacts": artifacts}
    contestants = []
    for one in entries:
        available = cache(_source(one.preset, logs, artifacts).available_days)  # listed once for all days
        plans = tuple(plan_run(day, one.preset, **at, available=available) for day in held_out)
        chosen = tuple(dict.fromkeys(seeds or (one.preset.training.seed,)))
        contestants.append(one.model_copy(update={"plans": plans, "seeds": chosen}))
    for root in {one.plans[0].workspace.root for one in contestants}:
        sweep(root)
    return tuple(contestants)


def held_out_days(
    preset: Preset, days: int | None, first: date | None, last: date | None, logs: str | None, artifacts: str
) -> tuple[date, ...]:
    """The newest `days` days up to `last`, or those from `first` on, oldest first, but for what the preset leaves out.

    Without `last`, up to the newest day that all tables have.
    """
    if first is not None and days is not None:
        raise ConfigError(f"--first {first} and --days {days} both say how many days; give one of them")
    if last is None:
        last = _source(preset, logs, artifacts).newest_common_day()
    if first is None:
        some = (last - timedelta(days=back) for back in range((days or DAYS) + len(preset.left_out)))
        return tuple(day for day in some if day not in preset.left_out)[: days or DAYS][::-1]
    if last < first:
        raise ConfigError(f"last ({last}) must not be before first ({first}); swap them")
    span = (first + timedelta(days=offset) for offset in range((last - first).days + 1))
    if not (found := tuple(day for day in span if day not in preset.left_out)):
        raise ConfigError(f"preset {preset.name!r} leaves out all days from {first} to {last}; choose others")
    return found


def _source(preset: Preset, logs: str | None, artifacts: str) -> LogSource:
    return LogSource.of(preset, logs, Workspace.of(artifacts, preset).spool)


def _entered(
    preset: str, against: Sequence[str], changes: Sequence[str], rivals: Sequence[str]
) -> Iterator[Contestant]:
    base = load_preset(preset)
    of_preset = f"preset {base.name}"
    yield Contestant(name=base.name, words=of_preset, preset=base, kind=base.candidate)
    for other in map(load_preset, against):
        yield Contestant(name=other.name, words=f"preset {other.name}", preset=other, kind=other.candidate)
    changed: dict[str, tuple[str, dict[str, Any]]] = {}
    for text in changes:
        name, change = read_change(text)
        words, earlier = changed.get(name, (f"{of_preset} with", {}))
        changed[name] = f"{words} {text.partition(':')[2]}", merged(earlier, change)
    for name, (words, change) in changed.items():
        try:
            other = load_preset(preset, change)
        except ConfigError as error:
            raise ConfigError(f"contestant {name!r}: {error}") from error
        yield Contestant(name=name, words=words, preset=other, kind=other.candidate)
    for name in rivals:
        if name not in base.rivals:
            near = nearest(name, base.rivals)
            raise ConfigError(
                f"preset {base.name!r} has no rival {name!r}; "
                + (f"write {near}, if that is meant" if near else f"use one of {list(base.rivals)}")
            )
        yield Contestant(name=name, words=f"rival {name} of {of_preset}", preset=base, kind=name)


def read_change(text: str) -> tuple[str, dict[str, Any]]:
    """A contestant's name, and the table of a change: `small:model.cross_layers=0`.

    A value is TOML; what is none is a text. Raises ConfigError where the text has another form, or changes the preset's
    name, which is the name of its line.
    """
    name, colon, change = text.partition(":")
    key, sign, value = (part.strip() for part in change.partition("="))
    if not (name.strip() and colon and all(key.split(".")) and sign):
        raise ConfigError(
            f"--with {text!r} must be name:key=value, such as small:model.expert_widths=[64,32]; correct it"
        )
    if key == "name":
        raise ConfigError(
            f"--with {text!r} changes the preset's name, which is its line's; write a preset with "
            "`base`, and name it with --against"
        )
    try:
        table = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        table = {"value": value}
    found = table["value"]
    for part in reversed(key.split(".")):
        found = {part: found}
    return name.strip(), found


def _require_distinct(entries: Sequence[Contestant]) -> None:
    """Raises ConfigError for two of one name, or of one model: other settings, such as gates, are not compared."""
    for one, other in combinations(entries, 2):
        if one.name == other.name:
            raise ConfigError(
                f"two contestants are named {one.name!r}; give each a name of its own (the name of a preset is in its "
                "file)"
            )
        if _trains(one) == _trains(other):
            raise ConfigError(
                f"contestants {one.name!r} and {other.name!r} train the same model; change one, or leave it out"
            )


def _trains(one: Contestant) -> list[Any]:
    days = one.preset.window_days, one.preset.left_out
    return [recipe_of(one.kind, one.preset), days, one.preset.model_dump(include=_READING - {"name"})]


def _require_same_rows(one: Contestant, base: Preset, logs: str | None) -> None:
    """Raises ConfigError for a contestant that could not be compared row by row and slice by slice."""
    wanted = _rows_of(base, logs)
    for what, own in _rows_of(one.preset, logs).items():
        if own != wanted[what]:
            raise ConfigError(
                f"contestant {one.name!r} has other {what} ({own}) than {base.name!r} ({wanted[what]}), and the same "
                "rows must be compared",
                "give it the same, or compare it with a preset like it",
            )


def _rows_of(preset: Preset, logs: str | None) -> dict[str, Any]:
    """What decides which rows, slices and scores a day has."""
    domains = preset.domains
    return {
        "surfaces": domains.surfaces,
        "products": domains.products,
        "tasks": [task.model_dump(exclude_none=True) for task in domains.tasks],
        "ids of requests and ads": preset.ids.model_dump(),
        "logs": logs or preset.logs,
    }


def require_same(name: str, shard: Shard, first: Shard) -> None:
    """Raises EvaluationError where a contestant's rows of the day, in their order, are not the first's."""
    for what in _SHARED:
        own, wanted = getattr(shard, what).numpy(), getattr(first, what).numpy()
        if not np.array_equal(own, wanted, equal_nan=what == "teacher"):
            raise EvaluationError(
                f"contestant {name!r} has another {what} on {shard.day} than the first contestant; both must read the "
                "same rows: let their source statements agree"
            )
