"""What extraction and validation of a day cost: `python -m benchmarks.extraction`.

The reference is DuckDB itself: it reads the same columns of the same files and writes as many bytes, plainly, with one
COPY per table. Beside it stands the validation of the same day. Rounds alternate between them, so that a busy moment
hits all; reported are medians of processor seconds, of all threads. Beside it a window is extracted from nothing, and
again a day later, when one of its days is new. A second table takes validation apart, for this day and for one a tenth
as large: what a small day costs too is there whatever the day's size.

Days are simulated in a temporary directory unless `--logs` names some. Validation is compared with a day before it,
as it is every day; great-expectations is imported before the clock runs.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from shutil import rmtree
from statistics import median
from tempfile import TemporaryDirectory
from types import ModuleType

import duckdb
from rich.console import Console

from benchmarks.runs import platform_for, told
from mtmd.config import Preset, load_preset
from mtmd.extract.stage import extract_day
from mtmd.logs.contract import TABLES
from mtmd.logs.files import available_days, day_files
from mtmd.logs.source import LogSource
from mtmd.report.tables.evaluation import Cell, Column, Table
from mtmd.run import RunPlan
from mtmd.sources.simulated.platform import simulate
from mtmd.store.files import write_text
from mtmd.validate import runner
from mtmd.validate.runner import validate_day

FIRST = date(2026, 1, 1)
PLAIN = (
    "(format parquet, compression uncompressed, dictionary_size_limit 0)"  # as many bytes as a shard, nearly
)
Row = tuple[Cell, ...]
_STEPS = {
    "columns_of": "columns of the files",
    "stage_day": "requests and ads staged, candidates summed up",
    "stage_trailing": "the days before",
    "stage_previous_requests": "yesterday's requests",
    "stage_found": "pairs that repeat, and others of the whole day",
    "run_suites": "great-expectations",
    "profile_staged_day": "profile",
    "deviations": "comparison with the days before",
    "stage_deviations": "what is not as usual",
}


@told
def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    options = _parser().parse_args(arguments)
    preset = load_preset(options.preset)
    with TemporaryDirectory(dir=options.directory) as name:
        directory = Path(name)
        logs = options.logs or simulated(
            directory / "day", preset, options.requests_per_day, 2, options.candidates
        )
        rows = measured_day(logs, preset, options.rounds, directory)
        if options.window_days:
            window = simulated(
                directory / "window", preset, options.window_requests, days=options.window_days + 1
            )
            rows.append(measured_window(window, preset, directory))
        small = simulated(
            directory / "small", preset, max(1, options.requests_per_day // 10), 2, options.candidates
        )
        parts = [validation_parts(one, preset, options.rounds) for one in (small, logs)]
    text = "\n".join(table.markdown() for table in (_table(rows, preset), _parts_table(parts)))
    Console(soft_wrap=True, highlight=False).print(text, markup=False)
    if options.output is not None:
        write_text(options.output, text)
    return 0


def simulated(logs: Path, preset: Preset, requests_per_day: int, days: int, candidates: int = 16) -> Path:
    """Logs of a demo-shaped platform with the preset's columns, and with so many candidates to a request."""
    world = platform_for(preset, requests_per_day=requests_per_day)
    world = world.model_copy(update={"candidates_per_request": candidates})
    simulate(world, FIRST, FIRST + timedelta(days=days - 1), logs)
    return logs


def plain_copy(logs: Path, day: date, directory: Path) -> int:
    """Copy the day's tables as DuckDB does it; the bytes written."""
    copies = [directory / f"{table}.parquet" for table in TABLES]
    with duckdb.connect() as connection:
        for table, copy in zip(TABLES, copies, strict=True):
            paths = [str(path) for path in day_files(logs, table, day)]
            source = f"read_parquet({paths}, hive_partitioning = false)"
            connection.execute(f"copy (select * from {source}) to '{copy}' {PLAIN}")
    return sum(copy.stat().st_size for copy in copies)


def measured_day(logs: Path, preset: Preset, rounds: int, directory: Path) -> list[Row]:
    """The newest day of the logs: its extraction beside a plain copy, its validation beside its extraction."""
    before, day = available_days(logs)[-2:]
    plan = RunPlan(as_of=day, days=(before,), preset=preset, logs=str(logs), artifacts=str(directory))
    shards, source = plan.workspace.shards, plan.source
    profile = validate_day(source, before, preset).profile
    trailing = [] if profile is None else [profile]

    def extracted() -> None:
        extract_day(source, day, preset.declarations, shards)

    found: dict[str, list[float]] = {name: [] for name in ("copy", "extraction", "validation")}
    for _ in range(rounds + 1):
        found["copy"].append(_seconds(lambda: plain_copy(logs, day, directory)))
        rmtree(shards, ignore_errors=True)
        found["extraction"].append(_seconds(extracted))
        found["validation"].append(_seconds(lambda: validate_day(source, day, preset, trailing)))
    # The first round warms up: files come into memory, code is compiled.
    copy, extraction, validation = (median(times[1:]) for times in found.values())
    ref = extract_day(source, day, preset.declarations, shards)
    written = sum(path.stat().st_size for path in Path(ref.path).glob("*.arrow"))
    copied = plain_copy(logs, day, directory)
    return [
        _row(
            f"cold extraction, rows/s ({written / 1e6:.0f} MB)",
            ref.candidates,
            extraction,
            f"plain COPY ({copied / 1e6:.0f} MB)",
            copy,
            f"{copy / extraction:.0%} of its rows/s",
            "≥ 80 %",
        ),
        _row(
            "validation",
            ref.candidates,
            validation,
            "extraction alone",
            extraction,
            f"{validation / extraction:.0%}",
            "",
        ),
    ]


def validation_parts(logs: Path, preset: Preset, rounds: int) -> dict[str, float]:
    """Median seconds of each step of validating the newest day of the logs, beside the day before."""
    before, day = available_days(logs)[-2:]
    profile = validate_day(LogSource(logs), before, preset).profile
    found: list[dict[str, float]] = []
    for _ in range(rounds + 1):
        with _timed(runner, _STEPS) as seconds:
            whole = _seconds(
                lambda: validate_day(LogSource(logs), day, preset, [] if profile is None else [profile])
            )
        found.append({**seconds, "the rest": whole - sum(seconds.values())})
    return {step: median(one[step] for one in found[1:]) for step in found[0]}


@contextmanager
def _timed(module: ModuleType, names: Mapping[str, str]) -> Iterator[dict[str, float]]:
    """Seconds spent in functions that a module calls by these names, under what they are called in the table."""
    seconds = dict.fromkeys(names.values(), 0.0)
    originals = {name: getattr(module, name) for name in names}

    def timed(name: str) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            begun = time.process_time()
            try:
                return originals[name](*arguments, **named)
            finally:
                seconds[names[name]] += time.process_time() - begun

        return call

    for name in names:
        setattr(module, name, timed(name))
    try:
        yield seconds
    finally:
        for name, original in originals.items():
            setattr(module, name, original)


def measured_window(logs: Path, preset: Preset, directory: Path) -> Row:
    """All days of the logs but the newest from nothing, then all but the oldest, of which one is new."""
    days, shards = available_days(logs), directory / "window-shards"

    def extract(window: Sequence[date]) -> list[bool]:
        return [not extract_day(LogSource(logs), day, preset.declarations, shards).reused for day in window]

    extract_day(LogSource(logs), days[0], preset.declarations, directory / "warm")
    cold = _seconds(lambda: extract(days[:-1]))
    new = _seconds(lambda: extract(days[1:]))
    candidates = sum(
        extract_day(LogSource(logs), day, preset.declarations, shards).candidates for day in days[:-1]
    )
    return _row(
        f"{len(days) - 1} days, one of them new",
        candidates,
        new,
        f"{len(days) - 1} days from nothing",
        cold,
        f"1/{cold / new:.0f}",
        "≤ 1/40",
    )


def _row(what: str, rows: int, own: float, reference: str, theirs: float, ratio: str, target: str) -> Row:
    return (what, rows, f"{own:.3f}", reference, f"{theirs:.3f}", ratio, target)


def _seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def _table(rows: Sequence[Row], preset: Preset) -> Table:
    heads = ("", "candidates", "s", "reference", "its s", "ratio", "target")
    return Table(
        title=f"Extraction and validation of a day, preset {preset.name}",
        columns=tuple(Column(name=head, kind="count" if head == "candidates" else "text") for head in heads),
        rows=tuple(rows),
    )


def _parts_table(parts: Sequence[dict[str, float]]) -> Table:
    small, large = parts
    rows = [(step, 1000 * small[step], 1000 * large[step]) for step in large]
    rows.append(("all", 1000 * sum(small.values()), 1000 * sum(large.values())))
    columns = (
        Column(name="step", kind="text"),
        *(Column(name=name, kind="count") for name in ("a tenth, ms", "ms")),
    )
    return Table(
        title="Validation by step, for a day a tenth as large and for this one",
        columns=columns,
        rows=tuple((step, round(a), round(b)) for step, a, b in rows),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.extraction", description=__doc__)
    parser.add_argument("--preset", default="demo", help="a name, or a path to a .toml")
    parser.add_argument("--requests-per-day", type=int, default=60_000, help="of the day")
    parser.add_argument("--candidates", type=int, default=16, help="of a request")
    parser.add_argument("--logs", type=Path, help="logs of two days or more, instead of a simulated day")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--window-days", type=int, default=60, help="0 leaves the window out")
    parser.add_argument("--window-requests", type=int, default=4000, help="of each day of the window")
    parser.add_argument(
        "--directory", type=Path, help="where the temporary files go; the system's by default"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the table as Markdown")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
