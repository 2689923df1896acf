"""What extraction and validation of a day cost: `python -m benchmarks.extraction`.

The reference is DuckDB itself: it reads the same files and writes as many bytes, with one COPY per table. Rounds
alternate between reference, extraction and validation, so that a busy moment hits all; reported are medians of
processor seconds, of all threads. Validation is compared with a day before it, as it is every day. Days are simulated
in a temporary directory unless `--logs` names some.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from shutil import rmtree
from statistics import median
from tempfile import TemporaryDirectory

import duckdb
from rich.console import Console

from benchmarks.runs import platform_for, told
from mtmd.config import Preset, load_preset
from mtmd.extract.stage import extract_day
from mtmd.logs.contract import TABLES
from mtmd.logs.source import LogSource
from mtmd.report.tables import Column, Table
from mtmd.sources.simulated.platform import simulate
from mtmd.store.files import write_text
from mtmd.validate.runner import validate_day

FIRST = date(2026, 1, 1)
PLAIN = (
    "(format parquet, compression uncompressed, dictionary_size_limit 0)"  # nearly as many bytes as a shard
)


@told
def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    options = _parser().parse_args(arguments)
    preset = load_preset(options.preset)
    with TemporaryDirectory(dir=options.directory) as name:
        logs = options.logs or Path(name) / "logs"
        if options.logs is None:
            world = platform_for(preset, requests_per_day=options.requests_per_day)
            simulate(world, FIRST, FIRST + timedelta(days=1), logs)
        text = measured(logs, preset, options.rounds, Path(name)).markdown()
    Console(soft_wrap=True, highlight=False).print(text, markup=False)
    if options.output is not None:
        write_text(options.output, text)
    return 0


def measured(logs: Path, preset: Preset, rounds: int, directory: Path) -> Table:
    """The newest day of the logs: a plain copy, its extraction and its validation."""
    before, day = LogSource(logs).available_days()[-2:]
    source, shards = LogSource(logs), directory / "shards"
    profile = validate_day(source, before, preset).profile
    trailing = [] if profile is None else [profile]

    def extract() -> None:
        rmtree(shards, ignore_errors=True)
        extract_day(source, day, preset.declarations, shards)

    works: dict[str, Callable[[], object]] = {
        "plain COPY": lambda: plain_copy(logs, day, directory),
        "extraction": extract,
        "validation": lambda: validate_day(source, day, preset, trailing),
    }
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds + 1):  # the first warms up: files come into memory, code is compiled
        for name, work in works.items():
            found[name].append(_seconds(work))
    seconds = {name: median(times[1:]) for name, times in found.items()}
    candidates = extract_day(source, day, preset.declarations, shards).candidates
    rows = [
        (name, candidates, f"{own:.3f}", round(candidates / own), f"{seconds['plain COPY'] / own:.0%}")
        for name, own in seconds.items()
    ]
    columns = (
        Column(name="work", kind="text"),
        Column(name="candidates", kind="count"),
        Column(name="processor seconds", kind="text"),
        Column(name="rows/s", kind="count"),
        Column(name="of the copy's rows/s", kind="text"),
    )
    title = f"Extraction and validation of a day, preset {preset.name}"
    return Table(title=title, columns=columns, rows=tuple(rows))


def plain_copy(logs: Path, day: date, directory: Path) -> int:
    """Copy the day's tables as DuckDB does it; the bytes written."""
    copies = [directory / f"{table}.parquet" for table in TABLES]
    with duckdb.connect() as connection:
        for table, copy in zip(TABLES, copies, strict=True):
            paths = [str(path) for path in LogSource(logs).day_files(table, day)]
            source = f"read_parquet({paths}, hive_partitioning = false)"
            connection.execute(f"copy (select * from {source}) to '{copy}' {PLAIN}")
    return sum(copy.stat().st_size for copy in copies)


def _seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.extraction", description=__doc__)
    parser.add_argument("--preset", default="demo", help="a name, or a path to a .toml")
    parser.add_argument("--requests-per-day", type=int, default=60_000, help="of the simulated day")
    parser.add_argument("--logs", type=Path, help="logs of two days or more, instead of simulated ones")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--directory", type=Path, help="where temporary files go; the system's by default")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the table as Markdown")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
