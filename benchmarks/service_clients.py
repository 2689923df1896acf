"""Clients of the service's process, for processes of their own: nothing here takes long to import."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from benchmarks.service_process import Connection

_PATIENCE_S = 30.0
_BYTE_S = 0.25  # between two bytes of a slow client


@dataclass(frozen=True)
class Load:
    """How the service is asked."""

    duration_s: float = 600.0
    times: float = 4.0  # as many calls as the service takes
    connections: int = 600
    slow: int = 60  # of the connections
    published: int = 20_000
    named: int = 100
    asked_s: float = 5.0  # that calls are counted, and timed, without load
    timeout_s: float | None = None  # of a call; the service's own by default


@dataclass
class Answers:
    """What clients got: seconds of each call by its status; `closed` has no answer."""

    quick: dict[str, list[float]] = field(default_factory=dict)
    slow: Counter[str] = field(default_factory=Counter)

    def took(self, status: str, seconds: float) -> None:
        self.quick.setdefault(status, []).append(seconds)


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
