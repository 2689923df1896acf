"""What becomes of the service when too much is asked of it: `python -m benchmarks.service_load`. It trains nothing.

A model of the preset's shapes with random weights is served, with published ads, by a process of its own. First the
calls that it takes in a second are counted. Then several times as many are sent, evenly, over hundreds of connections;
some further clients send a body a byte at a time. A call may get 200, or be told to come back (503); a slow client is
told so (408), or its connection closed. Afterwards one client asks again, and the time of its calls is compared with
that of calls before the load.
"""

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from http.client import HTTPConnection
from itertools import count
from pathlib import Path

import numpy as np
import psutil
from rich.console import Console

from benchmarks.untrained import preset_without_lists, random_model, random_requests, random_rows
from mtmd.config import Preset
from mtmd.export.bundle import bundle_id, export_bundle
from mtmd.logs.encoding import EncodedAds
from mtmd.registry.records import ModelManifest
from mtmd.registry.registry import Registry
from mtmd.serve.catalogue import Catalogue, Current
from mtmd.serve.published import publish_ads
from mtmd.serve.scorer import Scorer
from mtmd.store.files import write_json

_PATIENCE_S = 60.0
_BYTE_S = 0.25  # between two bytes of a slow client
_DAY = date(2026, 1, 1)
_KIND = {"content-type": "application/json"}


@dataclass(frozen=True)
class Load:
    """How the service is asked."""

    duration_s: float = 600.0
    times: float = 4.0  # as many calls as the service takes
    connections: int = 600
    slow: int = 60  # of the connections
    published: int = 20_000  # ads
    named: int = 100  # of them, by each call
    quiet_s: float = 5.0  # that calls are counted, and timed, without load


@dataclass
class Seen:
    """What clients got: seconds of each call by its status, and the statuses of slow clients; `closed` is no answer."""

    calls: dict[str, list[float]] = field(default_factory=dict)
    slow: Counter[str] = field(default_factory=Counter)
    memory_mb: list[float] = field(default_factory=list)  # once a second
    before_s: float = 0.0  # median of a quiet call before the load
    after_s: float = 0.0  # and after it

    @property
    def wrong(self) -> list[str]:
        """What must not happen, and did."""
        quick, slow = (
            sorted(self.calls.keys() - {"200", "503"}),
            sorted(self.slow.keys() - {"408", "503", "closed"}),
        )
        found = [f"calls ended with {quick}"] * bool(quick) + [f"slow clients got {slow}"] * bool(slow)
        slower = self.after_s > 2 * self.before_s
        return found + [f"calls took {1e3 * self.after_s:.1f} ms after the load"] * slower


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was seen; exit status 1 when something happened that must not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service_load", description=__doc__)
    parser.add_argument(
        "--preset", type=preset_without_lists, default="demo", help="a name, or a path to a .toml"
    )
    parser.add_argument("--duration", type=float, default=Load.duration_s, help="seconds of the load")
    parser.add_argument("--times", type=float, default=Load.times, help="as many calls as the service takes")
    parser.add_argument("--connections", type=int, default=Load.connections, help="open at once")
    parser.add_argument("--slow", type=int, default=Load.slow, help="of these, that send a byte at a time")
    parser.add_argument("--published", type=int, default=Load.published, help="ads that are published")
    parser.add_argument("--named", type=int, default=Load.named, help="ads that a call names")
    options = parser.parse_args(arguments)
    load = Load(
        options.duration, options.times, options.connections, options.slow, options.published, options.named
    )
    with tempfile.TemporaryDirectory() as place:
        line = make_line(Path(place) / "line", options.preset, load.published)
        seen = loaded(line, bodies_of(options.preset, load), load)
    console = Console(soft_wrap=True, highlight=False)
    for words in (*told(seen, load), *seen.wrong):
        console.print(words, markup=False)
    return int(bool(seen.wrong))


def make_line(line: Path, preset: Preset, ads: int) -> Path:
    """A line whose champion has random weights and published ads, as a trained one has."""
    model, registry, catalogue = random_model(preset), Registry(line), Catalogue(line)

    def build(directory: Path) -> None:
        export_bundle(model, preset, directory)
        write_json(directory / "metrics.json", {})

    made = ModelManifest(
        model_id="model", as_of=_DAY, bundle_id=bundle_id(model, preset), window={}, git_commit=None, seeds={},
        packages={},
    )  # fmt: skip
    registry.add(build, made)
    scorer, rng = Scorer.load(registry.path("model")), np.random.default_rng(7)
    schema = scorer.info.declarations.item
    parts = [
        EncodedAds(
            schema.domains[place],
            ids,
            random_rows(schema, len(ids), seed=place),
            rng.random(len(ids), np.float32),
        )
        for place, ids in enumerate(np.array_split(np.arange(ads), len(schema.domains)))
    ]
    current = Current(name=f"{_DAY}-{'0' * 16}", day=_DAY, ads=ads)
    publish_ads(scorer, parts, catalogue.path("model", current.name))
    catalogue.serve("model", current)
    registry.promote("model", _DAY, "a benchmark's", 0)
    return line


def bodies_of(preset: Preset, load: Load) -> list[bytes]:
    """Bodies of /rank: random requests, each with its own named ads."""
    rng = np.random.default_rng(8)
    return [
        json.dumps(
            {"requests": [request], "ad_ids": rng.choice(load.published, load.named, replace=False).tolist()}
        ).encode()
        for request in random_requests(preset.declarations.query, 30, seed=6)
    ]


@contextmanager
def service(line: Path) -> Iterator[tuple[int, psutil.Process]]:
    """The port and the process of a line's service, which is ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [sys.executable, "-m", "mtmd.serve.http", str(line), "--port", str(port)]
    with (line.parent / "service.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + _PATIENCE_S
        while not _is_ready(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(
                    f"the service was never ready:\n{(line.parent / 'service.log').read_text()}"
                )
            time.sleep(0.05)
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def _is_ready(port: int) -> bool:
    with suppress(OSError), closing(HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)) as connection:
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    return False


def loaded(line: Path, bodies: Sequence[bytes], load: Load) -> Seen:
    """The load on one process of a line's service, between quiet calls of one client."""
    seen = Seen()
    with service(line) as (port, process):
        _quiet(port, bodies, min(1.0, load.quiet_s))
        before = _quiet(port, bodies, load.quiet_s)
        rate = load.times * len(before) / load.quiet_s
        asyncio.run(_run(port, bodies, load, rate, seen, process))
        seen.before_s = float(np.median(before))
        seen.after_s = float(np.median(_quiet(port, bodies, load.quiet_s)))
    return seen


def _quiet(port: int, bodies: Sequence[bytes], duration_s: float) -> list[float]:
    """Seconds of each call of one client; raises RuntimeError for an answer that is not 200."""
    found: list[float] = []
    end = time.perf_counter() + duration_s
    with closing(HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)) as connection:
        while (began := time.perf_counter()) < end:
            connection.request("POST", "/rank", bodies[len(found) % len(bodies)], _KIND)
            answer = connection.getresponse()
            content = answer.read()
            found.append(time.perf_counter() - began)
            if answer.status != 200:
                raise RuntimeError(f"{answer.status}: {content!r}")
    return found


async def _run(
    port: int, bodies: Sequence[bytes], load: Load, rate: float, seen: Seen, process: psutil.Process
) -> None:
    """`rate` calls a second until the end, and what became of them."""
    end, quick = time.perf_counter() + load.duration_s, load.connections - load.slow
    clients = [_client(port, bodies, seen, quick / rate, end) for _ in range(quick)]
    clients += [_slow(port, bodies[0], seen, end) for _ in range(load.slow)]
    running = asyncio.gather(*clients)
    while not running.done():
        seen.memory_mb.append(process.memory_info().rss / 1e6)
        await asyncio.wait([running], timeout=1.0)
    await running


async def _client(port: int, bodies: Sequence[bytes], seen: Seen, every_s: float, end: float) -> None:
    """A client that sends a call at each of its moments, on a connection that is kept while the service keeps it."""
    due = time.perf_counter() + every_s * np.random.default_rng().random()
    connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    for number in count():
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        if (began := time.perf_counter()) >= end:
            break
        due, status, stays, kept = max(due + every_s, began), "closed", False, connection is not None
        with suppress(OSError, asyncio.IncompleteReadError):
            connection = connection or await asyncio.open_connection("127.0.0.1", port)
            connection[1].write(_call(bodies[number % len(bodies)]))
            status, stays = await _answer(connection[0])
        if status != "closed" or not kept:  # one that was idle may be closed: that is no answer to this call
            seen.calls.setdefault(status, []).append(time.perf_counter() - began)
        if connection is not None and not stays:
            connection[1].close()
            connection = None
    if connection is not None:
        connection[1].close()


async def _slow(port: int, body: bytes, seen: Seen, end: float) -> None:
    """Clients, one after the other, of which each sends its body a byte at a time."""
    while time.perf_counter() < end:
        status = "closed"
        with suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            answered = asyncio.ensure_future(_answer(reader))
            writer.write(_call(body)[: -len(body)])
            for byte in body:
                writer.write(bytes([byte]))
                await asyncio.wait([answered], timeout=_BYTE_S)
                if answered.done():
                    break
            status, _ = await answered
            writer.close()
        seen.slow[status] += 1
        await asyncio.sleep(_BYTE_S)


def _call(body: bytes) -> bytes:
    head = f"POST /rank HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def _answer(reader: asyncio.StreamReader) -> tuple[str, bool]:
    """The status, and whether the connection stays open; `no answer` after a while."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            names = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
            await reader.readexactly(int(names.get(b"content-length", b"0")))
    except TimeoutError:
        return "no answer", False
    return head.split(b" ")[1].decode(), names.get(b"connection") != b"close"


def told(seen: Seen, load: Load) -> list[str]:
    """What was seen, a fact a line."""
    sent = sum(map(len, seen.calls.values()))
    lines = [
        f"{sent:,} calls in {load.duration_s:g} s, {load.times:g} times what one client is answered, over "
        f"{load.connections} connections, {load.slow} of them slow; {load.named} named ads of {load.published:,}"
    ]
    for status, seconds in sorted(seen.calls.items()):
        p50, p99 = (1e3 * float(np.percentile(seconds, q)) for q in (50, 99))
        lines.append(f"{status}: {len(seconds):,} calls; p50 {p50:.0f} ms, p99 {p99:.0f} ms")
    lines.append(
        "slow clients: " + ", ".join(f"{number:,} × {what}" for what, number in sorted(seen.slow.items()))
    )
    lines.append(f"memory: {seen.memory_mb[0]:.0f} MB at first, {max(seen.memory_mb):.0f} MB at most")
    lines.append(
        f"median of a quiet call: {1e3 * seen.before_s:.1f} ms before, {1e3 * seen.after_s:.1f} ms after"
    )
    return lines


if __name__ == "__main__":
    raise SystemExit(main())
