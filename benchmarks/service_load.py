"""What becomes of the service when too much is asked of it: `python -m benchmarks.service_load`. It trains nothing.

First the calls that the service takes in a second are counted. Then several times as many are sent, evenly, over
hundreds of connections, whether or not the calls before were answered; some further clients send a byte at a time. A
call may get 200, or be told to come back (503); a slow client is told so (408), or its connection closed. Meanwhile the
memory of the service's process is looked at once a second. Afterwards one client asks again, and the time of its calls
is compared with that of calls before the load.
"""

import argparse
import asyncio
import multiprocessing
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks.service_line import promote, register
from benchmarks.service_process import Connection, ServiceProcess
from benchmarks.service_tail import Load as Tail
from benchmarks.service_tail import bodies_of
from mtmd.config import Preset, load_preset
from mtmd.report.tables.evaluation import Column, Table
from mtmd.store.files import write_text

RECOVERY_S = 2.0  # after the load, within which calls must be as quick as before
# The median of a quiet call: so many times the one before is as quick, on a machine with other work.
TIMES_QUIET = 2.0
_ASKED_S = 5.0  # how long calls are counted or timed without load
_PATIENCE_S = 30.0
_BYTE_S = 0.25  # between two bytes of a slow client
_CLIENTS = 4


@dataclass(frozen=True)
class Load:
    """How the service is asked."""

    duration_s: float = 600.0
    times: float = 4.0  # as many calls as the service takes
    connections: int = 600
    slow: int = 60  # of the connections
    published: int = 20_000
    named: int = 100


@dataclass
class Answers:
    """What clients got: seconds of each call by its status; `closed` has no answer."""

    quick: dict[str, list[float]] = field(default_factory=dict)
    slow: Counter[str] = field(default_factory=Counter)

    def took(self, status: str, seconds: float) -> None:
        self.quick.setdefault(status, []).append(seconds)


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
        seen = measured(load_preset(options.preset), Path(place), load)
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
        ServiceProcess(line, line.parent / "service.log") as service,
        ProcessPoolExecutor(_CLIENTS, spawn) as pool,
    ):
        service.start()
        quiet = partial(quiet_calls, service.port, bodies)
        list(pool.map(quiet, [1.0] * _CLIENTS))
        capacity = sum(map(len, pool.map(quiet, [_ASKED_S] * _CLIENTS))) / _ASKED_S
        before = quiet(_ASKED_S)
        loading = pool.submit(run_load, service.port, bodies, load, capacity * load.times)
        memory = _memory(service, loading)
        ended = time.perf_counter()
        first = _first_answer(service.port, bodies[0]) - ended
        after = quiet(max(0.1, RECOVERY_S - first))
        return Seen(
            capacity, loading.result(), memory, float(np.median(before)), float(np.median(after)), first
        )


def quiet_calls(port: int, bodies: Sequence[bytes], duration_s: float) -> list[float]:
    """Seconds of each call of one client; raises RuntimeError for an answer that is not 200."""
    found: list[float] = []
    end = time.perf_counter() + duration_s
    with closing(Connection(port)) as connection:
        while (began := time.perf_counter()) < end:
            status, answer = connection.post("/rank", bodies[len(found) % len(bodies)])
            found.append(time.perf_counter() - began)
            if status != 200:
                raise RuntimeError(f"{status}: {answer}")
    return found


def run_load(port: int, bodies: Sequence[bytes], load: Load, rate: float) -> Answers:
    """`rate` calls a second until the end, and what became of them."""
    return asyncio.run(_run_load(port, bodies, load, rate))


async def _run_load(port: int, bodies: Sequence[bytes], load: Load, rate: float) -> Answers:
    answers = Answers()
    end = time.perf_counter() + load.duration_s
    quick = load.connections - load.slow
    clients = [_quick(port, bodies, answers, quick / rate, end) for _ in range(quick)]
    clients += [_slow(port, bodies[0], answers, end) for _ in range(load.slow)]
    await asyncio.gather(*clients)
    return answers


async def _quick(port: int, bodies: Sequence[bytes], answers: Answers, every_s: float, end: float) -> None:
    """A client that sends a call at each of its moments, or as soon as the one before is answered."""
    rng = np.random.default_rng()
    due = time.perf_counter() + every_s * rng.random()
    client = _Client(port)
    for number in count(int(rng.integers(len(bodies)))):
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        if time.perf_counter() >= end:
            break
        due = max(due + every_s, time.perf_counter())
        began = time.perf_counter()
        status = await client.ask(_call(bodies[number % len(bodies)]))
        answers.took(status, time.perf_counter() - began)
    client.close()


class _Client:
    """A connection that is kept while the service keeps it, as HTTP clients do."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, call: bytes) -> str:
        """The status; `closed` where a new connection was closed without an answer. One that was idle may be closed."""
        was_open = self._open is not None
        status = await self._ask(call)
        return await self._ask(call) if status == "closed" and was_open else status

    async def _ask(self, call: bytes) -> str:
        try:
            if self._open is None:
                self._open = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._open
            writer.write(call)
            status, stays = await asyncio.wait_for(_answer(reader), _PATIENCE_S)
        except TimeoutError:
            status, stays = "no answer", False
        except (OSError, asyncio.IncompleteReadError):
            status, stays = "closed", False
        if not stays:
            self.close()
        return status

    def close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None


async def _slow(port: int, body: bytes, answers: Answers, end: float) -> None:
    """Clients, one after the other, of which each sends a byte at a time."""
    while time.perf_counter() < end:
        status = "closed"
        with suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            answered = asyncio.ensure_future(_answer(reader))
            for byte in _call(body):
                writer.write(bytes([byte]))
                await asyncio.wait([answered], timeout=_BYTE_S)
                if answered.done():
                    break
            writer.close()
            try:
                status, _ = await asyncio.wait_for(answered, _PATIENCE_S)
            except TimeoutError:
                status = "no answer"
        answers.slow[status] += 1
        await asyncio.sleep(_BYTE_S)


def _call(body: bytes) -> bytes:
    head = f"POST /rank HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def _answer(reader: asyncio.StreamReader) -> tuple[str, bool]:
    """Its status, and whether the connection stays open."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    names = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
    await reader.readexactly(int(names.get(b"content-length", b"0")))
    return head.split(b" ")[1].decode(), names.get(b"connection") != b"close"


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
    parser.add_argument("--preset", default="demo", help="a name, or a path to a .toml")
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
