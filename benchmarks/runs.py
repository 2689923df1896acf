"""What the benchmarks on a window share: the daily job's plan and shards, without its validation."""

import argparse
from collections.abc import Callable, Sequence
from datetime import date
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import torch
from rich.console import Console

from mtmd.config import Preset, load_preset
from mtmd.errors import MtmdError
from mtmd.extract.shards import ShardRef
from mtmd.extract.stage import extract_day
from mtmd.report.tables import Table
from mtmd.run import RunPlan, training_days
from mtmd.sources.simulated.config import WorldConfig
from mtmd.sources.simulated.platform import require_columns
from mtmd.store.files import write_text

_Options = ParamSpec("_Options")


def plan_of(
    preset: Preset, as_of: date, *, window_days: int | None = None, logs: str | None = None, artifacts: str
) -> RunPlan:
    """The daily job's plan, with a window of any length."""
    days = preset.window_days if window_days is None else window_days
    return RunPlan(
        as_of=as_of,
        days=training_days(preset, as_of, days),
        preset=preset,
        logs=preset.logs if logs is None else logs,
        artifacts=artifacts,
    )


def platform_for(
    preset: Preset, seed: int = 0, *, requests_per_day: int, users: int | None = None, ads: int | None = None
) -> WorldConfig:
    """A platform that writes the preset's columns; its sizes are the demo's but for what is given.

    Raises ConfigError for a preset with columns that no simulated platform writes.
    """
    require_columns(preset)
    return WorldConfig.sized(seed, requests_per_day=requests_per_day, users=users, ads=ads)


def daily_plan(options: argparse.Namespace) -> RunPlan:
    """The plan that `window_parser`'s options ask for."""
    return plan_of(
        load_preset(options.preset),
        options.as_of,
        window_days=options.window_days,
        logs=options.logs,
        artifacts=options.artifacts,
    )


def extracted(plan: RunPlan, days: Sequence[date]) -> list[ShardRef]:
    """Shards of these days, made where they are not there yet."""
    return [extract_day(plan.source, day, plan.preset.declarations, plan.workspace.shards) for day in days]


def told(main: Callable[_Options, int]) -> Callable[_Options, int]:
    """The command; an error that it raises on purpose is told in words, and the exit status is 1."""

    @wraps(main)
    def command(*args: _Options.args, **kwargs: _Options.kwargs) -> int:
        try:
            return main(*args, **kwargs)
        except MtmdError as error:
            Console(soft_wrap=True, highlight=False).print(f"error: {error}", markup=False)
            return 1

    return command


def at_least(least: int) -> Callable[[str], int]:
    """The type of an option that is a whole number, no smaller than this."""

    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text} must be a whole number, at least {least}")
        return int(text)

    return number


@told
def print_measured(options: argparse.Namespace, measured: Callable[[], Table]) -> int:
    """Print, and write where asked, what is measured; exit status 1 when the logs are wrong."""
    torch.set_num_threads(options.threads)
    text = measured().markdown()
    Console(soft_wrap=True, highlight=False).print(text, markup=False)
    if options.output is not None:
        write_text(options.output, text)
    return 0


class _EachOnce(argparse.Action):
    """Of a list: what is named twice counts once."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        setattr(namespace, self.dest, list(dict.fromkeys(values or ())))


def add_seeds(parser: argparse.ArgumentParser, default: Sequence[int], words: str) -> None:
    """Add `--seeds`; one that is named twice would make deviations over seeds smaller than they are."""
    parser.add_argument("--seeds", type=int, nargs="+", action=_EachOnce, default=list(default), help=words)


def window_parser(name: str, description: str | None, seeds: Sequence[int] = ()) -> argparse.ArgumentParser:
    """The options of what trains on a preset's window; `seeds` are the default of those that train with several."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=description)
    parser.add_argument("--preset", default="demo", help="a name, or a path to a .toml")
    parser.add_argument("--as-of", type=date.fromisoformat, required=True, help="the held-out day")
    parser.add_argument("--window-days", type=int, help="training days before it; the preset's when left out")
    parser.add_argument("--logs", help="where the log tables are; the preset's when left out")
    if seeds:
        add_seeds(parser, seeds, "of the trainings")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--artifacts", default="artifacts")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the table as Markdown")
    return parser
