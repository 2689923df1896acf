"""Thirty nights of the platform in accelerated time, with what goes wrong in a month: `python -m benchmarks.soak`.

A platform as `make up` starts it, in a folder of its own, runs `simulate-day`, `monitor` and `daily-retrain` for every
day as their schedules would, on a small world. A day comes late, one is corrupt, one drifts, the worker and the server
are killed in the middle of a training, and a champion is rolled back. Prints the ledger; exit status 1 when the
champion was ever another than the verdicts say, when a day that did not promote is not explained in an artifact, or
when anything was lost.
"""

import argparse
import socket
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from rich.console import Console

from benchmarks.soak.ledger import Night, ledger, lost
from benchmarks.soak.month import Month
from benchmarks.soak.operator import Operator
from benchmarks.soak.story import DAYS, FIRST, STORY
from deploy.local import Platform, down, up
from mtmd.errors import MtmdError
from mtmd.jobs.simulation import simulate_days
from mtmd.sources.simulated.platform import world_at
from mtmd.store.files import write_text

PRESET = "tiny"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the month."""
    options = _parser().parse_args(arguments)
    console = Console(soft_wrap=True, highlight=False)
    platform = Platform(options.home / "platform", _free_port(), _free_port(), options.home / "artifacts")
    begun = time.monotonic()
    try:
        logs = str(options.home / "logs")
        small = {"requests_per_day": options.requests, "users": 300, "ads": 240}
        # logs that are there are of a world of some size, which goes on
        simulate_days(
            FIRST - timedelta(days=1), PRESET, days=20, logs=logs, **({} if world_at(logs) else small)
        )
        up(platform, schedules=False)
        nights, found = run(platform, options, console)
    except MtmdError as error:
        console.print(f"error: {error}", markup=False)
        return 1
    finally:
        down(platform)
    text = ledger(nights).markdown()
    console.print(text, markup=False)
    console.print(
        f"{len(nights)} days in {(time.monotonic() - begun) / 60:.0f} min; lost or wrong: {found or 'nothing'}"
    )
    if options.output is not None:
        write_text(options.output, text)
    return 1 if found else 0


def run(platform: Platform, options: argparse.Namespace, console: Console) -> tuple[list[Night], list[str]]:
    """Every night, a line each; then what is not as it must be. The platform is up without schedules."""
    operator = Operator(platform, PRESET, options.home / "logs")
    month = Month(operator, STORY, FIRST)
    nights = []
    for number in range(options.days):
        nights.append(month.night(number))
        one = nights[-1]
        console.print(
            f"{one.day} {one.event or '-'}: monitor {one.monitor}, daily {one.daily}, live {one.champion} "
            f"({one.seconds:.0f} s){f'; {one.note}' if one.note else ''}",
            markup=False,
        )
    return nights, lost(month.registry, nights, operator.unfinished())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _absolute(text: str) -> Path:
    """The platform's processes have working directories of their own."""
    return Path(text).resolve()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument(
        "--home",
        type=_absolute,
        required=True,
        help="a folder for logs, artifacts and the platform; empty, or with the logs before the first night",
    )
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--requests", type=int, default=80, help="a day, with 16 candidates each")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the ledger as Markdown")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
