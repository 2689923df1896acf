"""What becomes of the service when too much is asked of it: `python -m benchmarks.service_load`. It trains nothing.

First the calls that the service takes in a second are counted. Then several times as many are sent, evenly, over
hundreds of connections, whether or not the calls before were answered; some further clients send a byte at a time. A
call may get 200, or be told to come back (503); a slow client is told so (408), or its connection closed. Meanwhile the
memory of the service's process is looked at once a second. Afterwards one client asks again, and the time of its calls
is compared with that of calls before the load.
"""

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks.service_clients import Answers, Load, quiet_calls, run_load
from benchmarks.service_line import promote, register
from benchmarks.service_process import Connection, ServiceProcess
from benchmarks.service_tail import Load as Tail
from benchmarks.service_tail import bodies_of
from benchmarks.untrained import preset_without_lists
from mtmd.config import Preset
from mtmd.report.tables.evaluation import Column, Table
from mtmd.store.files import write_text

RECOVERY_S = 2.0  # after the load, within which calls must be as quick as before
# The median of a quiet call: so many times the one before is as quick, on a machine with other work.
TIMES_QUIET = 2.0
_CLIENTS = 4


@dataclass(frozen=True)
class Seen:
    """What came of the load."""

    capacity: float  # calls in a second
    answers: Answers
    memory_mb: Sequence[float]  # once a second
    before_s: float  # median of a quiet call
    after_s: float  # the same in the first two seconds after the load
    first_s: float  # from the end of the load to the first 200

    @property
    def wrong(self) -> list[str]:
        """What must not happen, and did."""
        quick = sorted(self.answers.quick.keys() - {"200", "503"})
        slow = sorted(self.answers.slow.keys() - {"408", "503", "closed"})
        found = [f"calls ended with {quick}"] * bool(quick) + [f"slow clients got {slow}"] * bool(slow)
        return found + [f"calls took {1e3 * self.after_s:.1f} ms after the load"] * (
            self.after_s > TIMES_QUIET * self.before_s or self.first_s > RECOVERY_S
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; exit status 1 when something happened that must not."""
    options = _parser().parse_args(arguments)
    load = Load(
        options.duration, options.times, options.connections, options.slow, options.published, options.named
    )
    with tempfile.TemporaryDirectory(dir=options.directory) as place:
        seen = measured(options.preset, Path(place), load)
    text = table(seen, load).markdown()
    show = partial(Console(soft_wrap=True, highlight=False).print, markup=False)
    show(text)
    for wrong in seen.wrong:
        show(wrong)
    if options.output is not None:
        write_text(options.output, text)
    return int(bool(seen.wrong))


def measured(preset: Preset, place: Path, load: Load) -> Seen:
    """The load on a model of the preset's shapes with random weights."""
    line = place / "line"
    promote(line, register(line, preset, 0, load.published))
    return loaded(line, bodies_of(preset, Tail(published=load.published, named=load.named)), load)


def loaded(line: Path, bodies: Sequence[bytes], load: Load) -> Seen:
    """The load on one process of a line's service, from another process."""
    spawn = multiprocessing.get_context("spawn")
    with (
        ServiceProcess(line, line.parent / "service.log", load.timeout_s) as service,
        ProcessPoolExecutor(_CLIENTS, spawn) as pool,
    ):
        service.start()
        quiet = partial(quiet_calls, service.port, bodies)
        list(pool.map(quiet, [min(1.0, load.asked_s)] * _CLIENTS))
        capacity = sum(map(len, pool.map(quiet, [load.asked_s] * _CLIENTS))) / load.asked_s
        before = quiet(load.asked_s)
        loading = pool.submit(run_load, service.port, bodies, load, capacity * load.times)
        memory = _memory(service, loading)
        ended = time.perf_counter()
        first = _first_answer(service.port, bodies[0]) - ended
        after = quiet(max(0.1, RECOVERY_S - first))
        return Seen(
            capacity, loading.result(), memory, float(np.median(before)), float(np.median(after)), first
        )


def _memory(service: ServiceProcess, loading: "Future[Answers]") -> list[float]:
    found = [service.memory_mb()]
    while not loading.done():
        time.sleep(1)
        found.append(service.memory_mb())
    return found


def _first_answer(port: int, body: bytes) -> float:
    """When a call was answered with 200."""
    while True:
        with suppress(OSError), closing(Connection(port)) as connection:
            if connection.post("/rank", body)[0] == 200:
                return time.perf_counter()
        time.sleep(0.01)


def table(seen: Seen, load: Load) -> Table:
    """Two columns: what, and how much of it."""
    memory = seen.memory_mb
    minutes = [f"{memory[at]:.0f}" for at in range(0, len(memory), 60)] + [f"{memory[-1]:.0f}"]
    sent = sum(map(len, seen.answers.quick.values()))
    rows = [
        ("calls that it takes in a second", f"{seen.capacity:.0f}"),
        ("calls that were sent in a second", f"{sent / load.duration_s:.0f}"),
        *(
            (f"answered {status}", _calls(seconds, load))
            for status, seconds in sorted(seen.answers.quick.items())
        ),
        (
            "slow clients",
            ", ".join(f"{count:,} × {what}" for what, count in sorted(seen.answers.slow.items())),
        ),
        ("memory, at the start of each minute and at the end", f"{', '.join(minutes)} MB"),
        ("memory, at most", f"{max(memory):.0f} MB"),
        ("median of a quiet call before the load", f"{1e3 * seen.before_s:.1f} ms"),
        ("from the end of the load to the first 200", f"{1e3 * seen.first_s:.0f} ms"),
        ("median of a quiet call in the 2 s after", f"{1e3 * seen.after_s:.1f} ms"),
    ]
    return Table(
        title=f"{load.times:g} times the load that it takes for {load.duration_s:g} s, over {load.connections} "
        f"connections, {load.slow} of them slow; {load.named} named ads of {load.published:,}",
        columns=tuple(Column(name=name, kind="text") for name in ("what", "seen")),
        rows=tuple(rows),
    )


def _calls(seconds: Sequence[float], load: Load) -> str:
    p50, p99 = (1e3 * float(np.percentile(seconds, q)) for q in (50, 99))
    rate, longest = len(seconds) / load.duration_s, 1e3 * max(seconds)
    return f"{len(seconds):,} ({rate:.0f} in a second); p50 {p50:.0f} ms, p99 {p99:.0f} ms, longest {longest:.0f} ms"


def _parser() -> argparse.ArgumentParser:
    load = Load()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service_load", description=__doc__)
    parser.add_argument(
        "--preset", type=preset_without_lists, default="demo", help="a name, or a path to a .toml"
    )
    parser.add_argument("--duration", type=float, default=load.duration_s, help="seconds of the load")
    parser.add_argument("--times", type=float, default=load.times, help="as many calls as the service takes")
    parser.add_argument("--connections", type=int, default=load.connections, help="open at once")
    parser.add_argument("--slow", type=int, default=load.slow, help="of these, that send a byte at a time")
    parser.add_argument("--published", type=int, default=load.published, help="ads that are published")
    parser.add_argument("--named", type=int, default=load.named, help="ads that a call names")
    parser.add_argument("--directory", type=Path, help="for temporary files")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the table as Markdown")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
