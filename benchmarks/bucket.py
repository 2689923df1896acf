"""A day with logs and artifacts in a bucket, and on the local disk: `python -m benchmarks.bucket --as-of 2026-01-25`.

Needs the logs of the preset, as `mtmd simulate` writes them. They are copied into a bucket, and fetched once into the
cache of objects, which is warm from then on. Then the daily job runs, local and in the bucket by turns, each time in a
process of its own: from nothing with its trainings, again when all is there, and once more on a machine whose working
folder is empty. Flows add the same to both, so the stages are called without them.

The bucket is in an S3 of the tests on this machine, which takes part of its processor time. To measure another store,
set AWS_ENDPOINT_URL and credentials as for any run, and name an empty place with `--url`.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch
from rich.console import Console

from benchmarks.plain_job import plain_job
from benchmarks.runs import told
from mtmd.config import load_preset
from mtmd.extract.shards import read_manifest
from mtmd.extras.bucket.cache import FOLDER as CACHE
from mtmd.extras.bucket.objects import ObjectPath
from mtmd.extras.bucket.stores import WORK
from mtmd.registry.registry import Registry
from mtmd.report.tables import Cell, Column, Table
from mtmd.run import RunPlan, plan_run
from mtmd.store.files import resolve, write_text
from mtmd.validate.stage import day_sources

_URL = "s3://benchmark/day"
_AT_ONCE = 8


@dataclass(frozen=True)
class Place:
    """Where a job's logs and artifacts are, and what its process must know of that."""

    logs: str
    artifacts: str
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Job:
    """A day of a preset."""

    as_of: date
    preset: str
    threads: int

    def plan(self, place: Place) -> RunPlan:
        os.environ.update(place.environment)
        torch.set_num_threads(self.threads)
        return plan_run(self.as_of, self.preset, logs=place.logs, artifacts=place.artifacts)


class Lap(NamedTuple):
    """A job that has ended: seconds on the clock and of processors, and sha256 of shards and ONNX files by name."""

    wall_s: float
    processor_s: float
    digests: dict[str, str]


class Pair(NamedTuple):
    """The same work on the local disk and in the bucket, some times each."""

    what: str
    local: list[Lap]
    bucket: list[Lap]


@told
def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; exit status 1 when a shard or an ONNX file is not the same everywhere."""
    options = _parser().parse_args(arguments)
    logs = load_preset(options.preset).logs if options.logs is None else options.logs
    job = Job(options.as_of, options.preset, options.threads)
    console = Console(soft_wrap=True, highlight=False)
    with ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store = {} if options.url else stack.enter_context(own_store(folder / "s3"))
        bucket = _bucket(options.url or _URL, folder, store)
        local = Place(str(resolve(logs)), str(folder / "local"), {})
        _in_a_process(copy_logs, local.logs, bucket)
        pairs = list(measured(job, local, bucket, options, lambda words: console.print(words, markup=False)))
    text = table(job, pairs).markdown()
    console.print(text, markup=False)
    if options.output is not None:
        write_text(options.output, text)
    laps = [lap for pair in pairs for lap in (*pair.local, *pair.bucket)]
    return int(any(lap.digests != laps[0].digests for lap in laps))


def measured(
    job: Job, local: Place, bucket: Place, options: argparse.Namespace, say: Callable[[str], object]
) -> Iterator[Pair]:
    """From nothing, in places of their own each time; again in the first ones; and again without a working folder."""
    for place in (local, bucket):
        _in_a_process(warm, job, place)
    rounds = [[_numbered(place, number) for place in (local, bucket)] for number in range(options.rounds)]
    yield _pair("from nothing", job, rounds, say)
    yield _pair("again, when all is there", job, [rounds[0]] * options.again, say)
    elsewhere = [[rounds[0][0], _on_a_new_machine(rounds[0][1], number)] for number in range(options.again)]
    yield _pair("again, on a machine with an empty working folder", job, elsewhere, say)


def _pair(what: str, job: Job, rounds: Sequence[Sequence[Place]], say: Callable[[str], object]) -> Pair:
    """By turns, so that what else the machine does meets both."""
    laps: tuple[list[Lap], list[Lap]] = [], []
    for number, places in enumerate(rounds):
        for which in (0, 1) if number % 2 == 0 else (1, 0):
            laps[which].append(lap := _in_a_process(timed, job, places[which]))
            name = ("local", "bucket")[which]
            say(f"{what}, {name}: {lap.wall_s:.1f} s, {lap.processor_s:.1f} processor s")
    return Pair(what, *laps)


def timed(job: Job, place: Place) -> Lap:
    """The daily job as the flow does it."""
    plan = job.plan(place)
    began, before = time.perf_counter(), _processor_s()
    Registry(plan.workspace.root).refresh()
    run, summary = plain_job(plan)
    seconds = time.perf_counter() - began, _processor_s() - before
    digests = {
        f"{ref.day} {name}": file.sha256
        for ref in run.days.all
        for name, file in read_manifest(Path(ref.path)).files.items()
    }
    model = Registry(plan.workspace.root).manifest(summary.model_id).files
    return Lap(*seconds, digests | {name: sha256 for name, sha256 in model.items() if name.endswith(".onnx")})


def warm(job: Job, place: Place) -> None:
    """Read the logs once: those of a bucket are in the cache of objects then."""
    plan = job.plan(place)
    for day in plan.all_days:
        day_sources(plan, day)


def copy_logs(logs: str, bucket: Place) -> None:
    """Have the logs' files as objects of the bucket."""
    os.environ.update(bucket.environment)
    there = ObjectPath.of(bucket.logs)
    files = [path for path in Path(logs).rglob("*") if path.is_file() and not path.name.startswith(".")]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(lambda path: (there / path.relative_to(logs)).put(path), files))


@contextmanager
def own_store(folder: Path) -> Iterator[dict[str, str]]:
    """The tests' S3 in a process of its own, as the environment that leads there."""
    (folder / "benchmark").mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.buckets", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            if not (port := process.stdout.readline().strip()):
                raise RuntimeError(f"the tests' S3 did not start: {' '.join(command)}")
            yield {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "AWS_ALLOW_HTTP": "true",
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_REGION": "us-east-1",
            }
        finally:
            process.terminate()


def table(job: Job, pairs: Sequence[Pair]) -> Table:
    """Medians of each pair, and whether shards and ONNX files are the same."""
    first = pairs[0].local[0].digests
    rows = []
    for what, local, bucket in pairs:
        wall = [median(lap.wall_s for lap in laps) for laps in (local, bucket)]
        processor = [median(lap.processor_s for lap in laps) for laps in (local, bucket)]
        same = all(lap.digests == first for lap in (*local, *bucket))
        row: tuple[Cell, ...] = (
            what, len(local), *(f"{s:.1f}" for s in wall), f"{wall[1] / wall[0]:.2f}",
            *(f"{s:.1f}" for s in processor), f"{processor[1] / processor[0]:.2f}", "yes" if same else "no",
        )  # fmt: skip
        rows.append(row)
    columns = (
        Column(name="", kind="text"),
        Column(name="runs of each", kind="count"),
        *(Column(name=name, kind="text") for name in ("local, s", "bucket, s")),
        Column(name="bucket to local", kind="text"),
        *(Column(name=name, kind="text") for name in ("local, processor s", "bucket, processor s")),
        Column(name="bucket to local, processor", kind="text"),
        Column(name=f"the same {len(first)} digests", kind="text"),
    )
    title = f"The daily job of {job.as_of}, preset {Path(job.preset).stem}, {job.threads} threads"
    return Table(title=title, columns=columns, rows=tuple(rows))


def _bucket(url: str, folder: Path, store: Mapping[str, str]) -> Place:
    environment = {**store, WORK: str(folder / "machine"), CACHE: str(folder / "cache")}
    return Place(f"{url}/logs", f"{url}/artifacts", environment)


def _numbered(place: Place, number: int) -> Place:
    return Place(place.logs, f"{place.artifacts}-{number}", place.environment)


def _on_a_new_machine(place: Place, number: int) -> Place:
    work = f"{place.environment[WORK]}-{number}"
    return Place(place.logs, place.artifacts, {**place.environment, WORK: work})


def _in_a_process(work: Callable[..., Lap | None], *given: object) -> Lap:
    """What a process of its own returns: each begins with nothing in memory."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *given).result()  # type: ignore[return-value]


def _processor_s() -> float:
    """Of this process and of those that it started and awaited, such as the proof's."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bucket", description=__doc__)
    parser.add_argument("--as-of", type=date.fromisoformat, required=True, help="the held-out day")
    parser.add_argument("--preset", default="demo", help="a name, or a path to a .toml")
    parser.add_argument("--logs", help="where the log tables are; the preset's when left out")
    parser.add_argument("--rounds", type=int, default=1, help="runs from nothing, of each")
    parser.add_argument("--again", type=int, default=3, help="runs when all is there, of each")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--url", help="an empty place of a bucket, such as s3://bucket/prefix")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="where logs and artifacts stay, to look at"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the table as Markdown")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
