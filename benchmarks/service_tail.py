"""How long the slowest answers take: `python -m benchmarks.service_tail`. It trains nothing.

A model of the preset's shapes with random weights is served, with published ads. Each client is a process of its own
that names 100 ads, asks for all of them ranked, and asks again as soon as it is answered. The table has the percentiles
that the clients saw, the processor time of a call, the stages that the service measured (from its /metrics), and how
long the service's threads were ready to run and had no core, which the kernel counts: next to nothing on quiet cores.
"""

import argparse
import json
import multiprocessing
import re
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.service_clients import quiet_calls
from benchmarks.service_line import promote, register
from benchmarks.service_process import Connection, ServiceProcess
from benchmarks.untrained import preset_without_lists, random_requests
from mtmd.config import Preset
from mtmd.report.tables.evaluation import Column, Table
from mtmd.store.files import write_text

TARGET = 3.0  # p99 / p50
_QUESTIONS = 30
_WARM_UP_S = 1.0


@dataclass(frozen=True)
class Load:
    """How the service is asked."""

    duration_s: float = 30.0
    repeats: int = 3
    clients: int = 2
    published: int = 20_000
    named: int = 100
    timeout_s: float | None = None  # of a call; the service's own by default


@dataclass(frozen=True)
class Round:
    """What one round saw: seconds of each call; of a call, on average: each stage, processor time, time without a
    core, which is summed over the service's threads.
    """

    latencies_s: Sequence[float]
    stages_s: Mapping[str, float]
    processor_s: float
    without_core_s: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; exit status 1 when a call failed."""
    options = _parser().parse_args(arguments)
    load = Load(
        options.duration,
        options.repeats,
        options.clients,
        options.published,
        options.named,
        options.timeout,
    )
    with tempfile.TemporaryDirectory(dir=options.directory) as place:
        rounds = measured(options.preset, Path(place), load)
    text = table(rounds, load).markdown()
    Console(soft_wrap=True, highlight=False).print(text, markup=False)
    if options.output is not None:
        write_text(options.output, text)
    return 0


def measured(preset: Preset, place: Path, load: Load) -> list[Round]:
    """All rounds, one after the other, of one process of the service."""
    line = place / "line"
    promote(line, register(line, preset, 0, load.published))
    return rounds_of(line, preset, place / "service.log", load)


def rounds_of(line: Path, preset: Preset, log: Path, load: Load) -> list[Round]:
    """The same for a line that has a champion with ads 0, 1, …, `published` - 1."""
    bodies = bodies_of(preset, load)
    spawn = multiprocessing.get_context("spawn")
    with (
        ServiceProcess(line, log, load.timeout_s) as service,
        ProcessPoolExecutor(load.clients, mp_context=spawn) as pool,
    ):
        service.start()
        ask = partial(quiet_calls, service.port, bodies)
        list(pool.map(ask, [_WARM_UP_S] * load.clients))
        rounds = []
        for _ in range(load.repeats):
            before, delay, used = _stages(service.port), service.without_core_s(), service.processor_s()
            latencies = [s for own in pool.map(ask, [load.duration_s] * load.clients) for s in own]
            stages = {
                name: (total - before[name][0]) / (count - before[name][1])
                for name, (total, count) in _stages(service.port).items()
            }
            calls = len(latencies)
            delay, used = service.without_core_s() - delay, service.processor_s() - used
            rounds.append(Round(latencies, stages, used / calls, delay / calls))
    return rounds


def table(rounds: Sequence[Round], load: Load) -> Table:
    """One column for each round."""
    percentiles = {"p50": 50, "p90": 90, "p99": 99, "longest": 100}
    ms = {
        name: [1e3 * float(np.percentile(one.latencies_s, q)) for one in rounds]
        for name, q in percentiles.items()
    }
    rows = [("calls", *(f"{len(one.latencies_s):,}" for one in rounds))]
    rows += [(name, *(f"{value:.2f} ms" for value in values)) for name, values in ms.items()]
    ratios = (f"{high / low:.1f}" for low, high in zip(ms["p50"], ms["p99"], strict=True))
    rows.append((f"p99 / p50 (target: ≤ {TARGET:g})", *ratios))
    rows.append(("processor time, mean of a call", *(f"{1e3 * one.processor_s:.2f} ms" for one in rounds)))
    rows.append(("without a core, mean of a call", *(f"{1e3 * one.without_core_s:.2f} ms" for one in rounds)))
    rows += [
        (f"stage {name}, mean", *(f"{1e3 * one.stages_s[name]:.3f} ms" for one in rounds))
        for name in rounds[0].stages_s
    ]
    names = ("what", *(f"round {number}" for number in range(1, len(rounds) + 1)))
    return Table(
        title=f"{load.named} named ads of {load.published:,}, {load.clients} clients, {load.duration_s:g} s a round",
        columns=tuple(Column(name=name, kind="text") for name in names),
        rows=tuple(rows),
    )


def bodies_of(preset: Preset, load: Load) -> list[bytes]:
    """Calls that name ads, as JSON."""
    rng = np.random.default_rng(8)
    requests = random_requests(preset.declarations.query, _QUESTIONS, seed=6)
    return [json.dumps(_question(one, rng, load)).encode() for one in requests]


def _question(request: Mapping[str, Any], rng: np.random.Generator, load: Load) -> dict[str, Any]:
    ads = rng.choice(load.published, load.named, replace=False).tolist()
    return {"requests": [request], "top_k": load.named, "ad_ids": ads}


def _stages(port: int) -> dict[str, tuple[float, float]]:
    """Seconds and calls of each stage of /rank until now."""
    connection = Connection(port)
    text = connection.text("/metrics")
    connection.close()
    totals, counts = (
        {
            name: float(value)
            for name, value in re.findall(
                rf'mtmd_stage_seconds_{what}{{path="/rank",stage="(\w+)"}} (\S+)', text
            )
        }
        for what in ("sum", "count")
    )
    return {name: (totals[name], counts[name]) for name in totals}


def _parser() -> argparse.ArgumentParser:
    load = Load()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service_tail", description=__doc__)
    parser.add_argument(
        "--preset", type=preset_without_lists, default="demo", help="a name, or a path to a .toml"
    )
    parser.add_argument("--duration", type=float, default=load.duration_s, help="seconds of a round")
    parser.add_argument("--repeats", type=int, default=load.repeats, help="rounds")
    parser.add_argument("--clients", type=int, default=load.clients, help="that ask at once")
    parser.add_argument("--published", type=int, default=load.published, help="ads that are published")
    parser.add_argument("--named", type=int, default=load.named, help="ads that a call names")
    parser.add_argument("--timeout", type=float, help="seconds for a call; the service's own by default")
    parser.add_argument("--directory", type=Path, help="for temporary files")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the table as Markdown")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
