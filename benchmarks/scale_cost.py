"""What a line of models needs at a volume: bytes, core-hours, network, money. `python -m benchmarks.scale_cost`.

The model multiplies: rows by the seconds and bytes of a row, as they were measured on one core. They are in
`benchmarks/scale.toml`. It knows nothing of GPUs, for which no figure exists, nor of how far one training uses more
cores (docs/scale.md).
"""

import argparse
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from rich.console import Console

from mtmd.config.base import Frozen
from mtmd.errors import ConfigError, MtmdError
from mtmd.report.tables.evaluation import Column, Table

INPUTS = Path(__file__).with_name("scale.toml")
_HOUR_S, _GB, _MONTH_DAYS = 3600.0, 1e9, 30.0
_ROW_NUMBER = 4  # bytes that training holds for each request of the window
Part = Literal["candidate", "request", "ad"]


class Volume(Frozen):
    """How much there is, and how it is trained."""

    rows_per_day: float = Field(gt=0)
    candidates_per_request: float = Field(ge=1)
    ads: float = Field(gt=0)
    window_days: int = Field(ge=1)
    epochs: int = Field(ge=1)
    full_every_days: int = Field(ge=1)
    warm_days: int = Field(ge=1)
    warm_epochs: int = Field(ge=1)
    rivals_every_days: int = Field(ge=1)
    keep_days: int = Field(ge=1)
    machines: int = Field(ge=0)

    @property
    def requests_per_day(self) -> float:
        return self.rows_per_day / self.candidates_per_request


class Rates(Frozen):
    """Rows (ads, for `publish`) a second of one core."""

    read: float = Field(gt=0)
    mtmd: float = Field(gt=0)
    per_slice: float = Field(gt=0)
    pooled: float = Field(gt=0)
    evaluate: float = Field(gt=0)
    publish: float = Field(gt=0)


class FixedSeconds(Frozen):
    """Seconds of one core, whatever the volume."""

    day: float = Field(ge=0)
    export: float = Field(ge=0)


class Prices(Frozen):
    """US dollars."""

    core_hour: float = Field(ge=0)
    gb_month: float = Field(ge=0)
    network_gb: float = Field(ge=0)


class Inputs(Frozen):
    """All that the model computes with."""

    volume: Volume
    log_bytes: dict[Part, float]
    shard_bytes: dict[Part, float]
    published_bytes: dict[Literal["ad"], float] = Field(
        description="embeddings in both precisions, id and bid"
    )
    rates: Rates
    fixed_seconds: FixedSeconds
    prices: Prices


class Cost(Frozen):
    """What comes out; a *mean day* has its share of the full retrains and of the rivals."""

    log_day: float = Field(description="bytes")
    shard_day: float
    kept: float = Field(description="bytes of logs and shards that are kept")
    window_shards: float
    network_day: float
    row_numbers: float = Field(description="bytes of memory of a training")
    steps: float = Field(description="of one pass, 1,024 requests each")
    seconds: dict[str, float] = Field(description="of one core: each stage of a mean day")
    first_seconds: dict[str, float] = Field(
        description="the same of the first day, from nothing, with rivals"
    )
    money: dict[str, float] = Field(description="of a month")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; exit status 1 for numbers that are out of bounds."""
    options = _parser().parse_args(arguments)
    console = Console(soft_wrap=True, highlight=False)
    try:
        inputs = inputs_of(options.inputs, _given(options))
        for table in tables(inputs, cost(inputs)):
            console.print(table.markdown(), markup=False)
    except MtmdError as error:
        console.print(f"error: {error}", markup=False)
        return 1
    return 0


def inputs_of(file: Path | None, volume: Mapping[str, float]) -> Inputs:
    """The numbers of scale.toml, with those of a file and then of `volume` in their places.

    Raises ConfigError that names the file and the key which is unknown, no number, or out of bounds.
    """
    values = _read(INPUTS)
    for table, own in (_read(file) if file is not None else {}).items():
        values[table] = {**values.get(table, {}), **own} if isinstance(own, dict) else own
    values["volume"] |= volume
    try:
        return Inputs.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"{file or 'options'}: {key} ({first['input']}): {first['msg']}; see {INPUTS} for the keys and their units"
        ) from error


def cost(inputs: Inputs) -> Cost:
    """What the volume needs, by the rates."""
    volume, prices = inputs.volume, inputs.prices
    log_day, shard_day = (_bytes(volume, sizes) for sizes in (inputs.log_bytes, inputs.shard_bytes))
    full, warm = 1 / volume.full_every_days, 1 - 1 / volume.full_every_days
    window, rivals = volume.window_days * volume.epochs, volume.epochs * volume.window_days
    mean = _seconds(
        inputs,
        read=1.0,
        trained=full * window + warm * min(volume.warm_days, volume.window_days) * volume.warm_epochs,
        rivals=rivals / volume.rivals_every_days,
    )
    kept = volume.keep_days * (log_day + shard_day)
    published = volume.ads * inputs.published_bytes["ad"]
    network = log_day + shard_day + volume.machines * published
    return Cost(
        log_day=log_day,
        shard_day=shard_day,
        kept=kept,
        window_shards=shard_day * (volume.window_days + 1),
        network_day=network,
        row_numbers=_ROW_NUMBER * volume.requests_per_day * volume.window_days,
        steps=volume.requests_per_day * volume.window_days / 1024,
        seconds=mean,
        first_seconds=_seconds(inputs, read=volume.window_days + 1, trained=window, rivals=rivals),
        money={
            "cores": sum(mean.values()) / _HOUR_S * _MONTH_DAYS * prices.core_hour,
            "storage": kept / _GB * prices.gb_month,
            "network": network / _GB * _MONTH_DAYS * prices.network_gb,
        },
    )


def tables(inputs: Inputs, found: Cost) -> tuple[Table, ...]:
    """Bytes, core-hours, money."""
    volume = inputs.volume
    what = Column(name="what", kind="text")
    size = Table(
        title=f"{volume.rows_per_day:,.0f} rows a day, {volume.window_days} days, {volume.epochs} pass(es): bytes",
        columns=(what, Column(name="GB")),
        rows=(
            ("logs of a day", _number(found.log_day / _GB)),
            ("shards of a day", _number(found.shard_day / _GB)),
            ("shards of the window and its held-out day", _number(found.window_shards / _GB)),
            (f"logs and shards kept {volume.keep_days} days", _number(found.kept / _GB)),
            ("over the network, each day", _number(found.network_day / _GB)),
            ("memory for row numbers, each training", _number(found.row_numbers / _GB)),
        ),
    )
    stages = [
        (stage, _number(found.first_seconds[stage] / _HOUR_S), _number(seconds / _HOUR_S))
        for stage, seconds in found.seconds.items()
    ]
    totals = [sum(one.values()) / _HOUR_S for one in (found.first_seconds, found.seconds)]
    hours = Table(
        title="Core-hours; GPU-hours: not known, nothing was measured on a GPU",
        columns=(what, Column(name="first day, all in full"), Column(name="mean day")),
        rows=(
            *stages,
            ("**all**", *map(_number, totals)),
            ("cores that are busy all day, if work divided evenly", *(_number(one / 24) for one in totals)),
            ("steps of a pass, 1,024 requests each", _number(found.steps), None),
        ),
    )
    money = Table(
        title="US dollars a month",
        columns=(what, Column(name="USD")),
        rows=(
            *((name, _number(value)) for name, value in found.money.items()),
            ("**all**", _number(sum(found.money.values()))),
        ),
    )
    return size, hours, money


def _seconds(inputs: Inputs, *, read: float, trained: float, rivals: float) -> dict[str, float]:
    """Of each stage, for so many days read, and days times passes of MTMD and of each rival."""
    volume, rates, fixed = inputs.volume, inputs.rates, inputs.fixed_seconds
    rows = volume.rows_per_day
    return {
        "validation and shards": read * (rows / rates.read + fixed.day),
        "training, MTMD": trained * rows / rates.mtmd,
        "training, per-slice baselines": rivals * rows / rates.per_slice,
        "training, pooled two-tower": rivals * rows / rates.pooled,
        "evaluation": rows / rates.evaluate,
        "export and ads": fixed.export + volume.ads / rates.publish,
    }


def _bytes(volume: Volume, sizes: Mapping[Part, float]) -> float:
    counts = {"candidate": volume.rows_per_day, "request": volume.requests_per_day, "ad": volume.ads}
    return sum(counts[part] * size for part, size in sizes.items())


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{file} must be a readable TOML file, such as {INPUTS}: {error}") from error


def _given(options: argparse.Namespace) -> dict[str, float]:
    names = {"rows_per_day": options.rows_per_day, "window_days": options.days, "epochs": options.epochs}
    return {name: value for name, value in names.items() if value is not None}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale_cost", description=__doc__)
    parser.add_argument("--rows-per-day", type=float, help="candidates that a day of logs has")
    parser.add_argument("--days", type=int, help="of the training window")
    parser.add_argument("--epochs", type=int, help="passes of a full retrain")
    parser.add_argument("--inputs", type=Path, metavar="FILE", help="numbers of your own, as in scale.toml")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
