"""How often an ordinary day stops the run, and whether faults do: `python -m benchmarks.false_stops`.

Ordinary days are days of simulated platforms that nothing was done to. Each is compared with the days before it by the
code that validation uses (`mtmd.validate.deviations`), on the profile that validation makes of the day. Faulty days are
the newest days of each platform: their files are damaged, and the whole of validation reads them. Seeds are others
than those that the limits were chosen on.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from shutil import copytree, rmtree
from tempfile import TemporaryDirectory

import duckdb
from rich.console import Console

from benchmarks.runs import add_seeds, platform_for, told
from mtmd.config import Preset, load_preset
from mtmd.extract.database import database
from mtmd.logs.contract import TABLES, table_columns
from mtmd.logs.places import day_directory
from mtmd.logs.reading import create_source_view
from mtmd.logs.source import LogSource
from mtmd.report.tables import Cell, Column, Table
from mtmd.sources.simulated.platform import simulate
from mtmd.store.files import write_text
from mtmd.validate.deviations import deviations
from mtmd.validate.results import DayProfile, DayValidation
from mtmd.validate.runner import validate_day
from mtmd.validate.staging import profile_staged_day, stage_day

FIRST = date(2026, 1, 1)
SCALED = 1.3
ONE_TASK = "gctr"
Row = tuple[Cell, ...]


@dataclass(frozen=True)
class Platform:
    """Simulated logs and the profiles of their days."""

    logs: Path
    preset: Preset
    profiles: tuple[DayProfile, ...]

    def before(self, index: int) -> tuple[DayProfile, ...]:
        return self.profiles[max(0, index - self.preset.data.trailing_days) : index]


@dataclass(frozen=True)
class Fault:
    """Damage to the logs of one day, and the expectation that should find it."""

    name: str
    expectation: str
    damage: Callable[[Platform, Path, date], None]


@told
def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables."""
    options = _parser().parse_args(arguments)
    preset = load_preset(options.preset)
    ordinary, faulty = [], []
    for size in options.requests_per_day:
        counted: Counter[str] = Counter()
        caught: Counter[str] = Counter()
        for seed in options.seeds:
            with TemporaryDirectory(dir=options.directory) as directory:
                platform = simulated(Path(directory), preset, size, seed, options.days)
                counted += judged(platform, options.days)
                caught += stopped(platform, options.faulty_days)
        ordinary.append(_ordinary_row(size, counted))
        faulty.append((size, *(f"{caught[one.name]} of {caught['days']}" for one in FAULTS)))
    tables = (_ordinary_table(ordinary), _faulty_table(faulty))
    text = "\n".join(table.markdown() for table in tables)
    Console(soft_wrap=True, highlight=False).print(text, markup=False)
    if options.output is not None:
        write_text(options.output, text)
    return 0


def simulated(directory: Path, preset: Preset, size: int, seed: int, days: int) -> Platform:
    """A platform of `size` requests a day: `days` to be judged, after as many as a day is compared with."""
    logs = directory / "logs"
    count = preset.data.trailing_days + days
    simulate(
        platform_for(preset, seed, requests_per_day=size), FIRST, FIRST + timedelta(days=count - 1), logs
    )
    profiles = (profiled(LogSource(logs), FIRST + timedelta(days=age), preset) for age in range(count))
    return Platform(logs, preset, tuple(profiles))


def profiled(source: LogSource, day: date, preset: Preset) -> DayProfile:
    """The profile that validation makes of a day."""
    files, declared = source.source_files(day), table_columns(preset.declarations)
    with database(source.readable(files)) as opened:
        for table, columns in declared.items():
            there = dict.fromkeys(files[table], columns)
            create_source_view(opened.connection, f"source_{table}", source, table, day, columns, there)
        stage_day(opened, source, files, day, preset.declarations)
        return profile_staged_day(opened, day, preset.declarations)


def judged(platform: Platform, days: int) -> Counter[str]:
    """The newest `days`: how many stop the run."""
    counted: Counter[str] = Counter()
    for index in range(len(platform.profiles) - days, len(platform.profiles)):
        day, earlier = platform.profiles[index], platform.before(index)
        counted["days"] += 1
        counted["stops"] += bool(deviations(day, earlier, platform.preset.data))
        counted["smallest"] += min(day.candidates.values())
    return counted


def stopped(platform: Platform, days: int) -> Counter[str]:
    """Of the newest `days`, on how many each fault is stopped by the expectation that should find it."""
    caught = Counter(days=days)
    for index in range(len(platform.profiles) - days, len(platform.profiles)):
        for fault in FAULTS:
            validation = _damaged(platform, index, fault)
            caught[fault.name] += fault.expectation in {failure.name for failure in validation.failures}
    return caught


def _damaged(platform: Platform, index: int, fault: Fault) -> DayValidation:
    day = platform.profiles[index].day
    logs = platform.logs.with_name("damaged")
    for table in TABLES:
        for one in (day, day - timedelta(days=1)):
            copytree(day_directory(platform.logs, table, one), day_directory(logs, table, one))
    fault.damage(platform, logs, day)
    validation = validate_day(LogSource(logs), day, platform.preset, platform.before(index))
    rmtree(logs)
    return validation


def _scale(tasks: Sequence[str] | None) -> Callable[[Platform, Path, date], None]:
    """Scale the teacher's scores in the smallest domain that can stop a run."""

    def damage(platform: Platform, logs: Path, day: date) -> None:
        (profile,) = (one for one in platform.profiles if one.day == day)
        least = platform.preset.data.stop_share * sum(profile.candidates.values())
        able = {rows: domain for domain, rows in profile.candidates.items() if rows >= least}
        surface, product = able[min(able)].split(" × ")
        scores = scaled_scores(tasks or platform.preset.domains.task_names)
        requests, ads = (_rows(day_directory(logs, table, day)) for table in ("requests", "ads"))
        update_day(
            day_directory(logs, "candidates", day),
            f"update t set {scores} where "
            f"request_id in (select request_id from {requests} where surface = '{surface}') "
            f"and ad_id in (select ad_id from {ads} where product = '{product}')",
        )

    return damage


def scaled_scores(tasks: Sequence[str]) -> str:
    """Scores of tasks × SCALED, for SQL's `update t set`; one that is null stays null, where `least` alone skips it."""
    return ", ".join(f"{task} = if({task} is null, null, least({SCALED} * {task}, 0.999))" for task in tasks)


def _deliver_yesterday_again(platform: Platform, logs: Path, day: date) -> None:
    for table in TABLES:
        own = day_directory(logs, table, day)
        rmtree(own)
        copytree(day_directory(logs, table, day - timedelta(days=1)), own)


def _drop_a_join(platform: Platform, logs: Path, day: date) -> None:
    surface = platform.preset.domains.surfaces[-1]
    update_day(
        day_directory(logs, "requests", day),
        f"update t set user_ctr_30d = null where surface = '{surface}'",
    )


def _recode(platform: Platform, logs: Path, day: date) -> None:
    update_day(day_directory(logs, "requests", day), "update t set device = 'new-' || device")


FAULTS = (
    Fault(f"one task × {SCALED}", "mean_scores_steady", _scale([ONE_TASK])),
    Fault(f"all tasks × {SCALED}", "mean_scores_steady", _scale(None)),
    Fault("yesterday's copy", "ts_inside_the_day", _deliver_yesterday_again),
    Fault("a dropped join", "null_rates_steady", _drop_a_join),
    Fault("a re-coded category", "categories_steady", _recode),
)


def _rows(folder: Path) -> str:
    return f"read_parquet('{folder}/*.parquet', hive_partitioning = false)"


def update_day(folder: Path, statement: str) -> None:
    """Change a day's table, named `t`, with SQL; it is one file then."""
    with duckdb.connect() as connection:
        connection.execute(f"create table t as from {_rows(folder)}")
        connection.execute(statement)
        rmtree(folder)
        folder.mkdir()
        connection.execute(f"copy t to '{folder}/part-0.parquet' (format parquet)")


def _ordinary_row(size: int, counted: Counter[str]) -> Row:
    return (size, round(counted["smallest"] / counted["days"]), counted["days"], counted["stops"])


def _ordinary_table(rows: Sequence[Row]) -> Table:
    heads = ("requests a day", "candidates of the smallest domain", "ordinary days", "days that stop the run")
    columns = tuple(Column(name=head, kind="count") for head in heads)
    return Table(title="Ordinary days", columns=columns, rows=tuple(rows))


def _faulty_table(rows: Sequence[Row]) -> Table:
    names = (Column(name=fault.name, kind="text") for fault in FAULTS)
    columns = (Column(name="requests a day", kind="count"), *names)
    return Table(title="Faulty days that are stopped", columns=columns, rows=tuple(rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.false_stops", description=__doc__)
    parser.add_argument("--preset", default="demo", help="a name, or a path to a .toml")
    parser.add_argument("--requests-per-day", type=int, nargs="+", default=[250, 1000, 8000])
    add_seeds(parser, (101, 102, 103, 104), "of the platforms")
    parser.add_argument("--days", type=int, default=60, help="ordinary days of each platform")
    parser.add_argument(
        "--faulty-days", type=int, default=5, help="days of each platform that get each fault"
    )
    parser.add_argument(
        "--directory", type=Path, help="where the temporary files go; the system's by default"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the tables as Markdown")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
