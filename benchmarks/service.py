"""The service under load while the champion changes: `python -m benchmarks.service`. It trains nothing.

Models of the preset's shapes with random weights are registered and promoted, and their ads published, as trained ones
are; the service runs in a process of its own. Clients ask, each as soon as it is answered, while three promotions and
one rollback happen. Every answer must be 200, name one bundle, and have the ads and scores that this bundle's ranker
gives in this process, within 1e-5. Then the service is killed and started again.
"""

import argparse
import json
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.service_line import promote, ranker, register
from benchmarks.service_process import Connection, ServiceProcess
from benchmarks.untrained import preset_without_lists, random_requests
from mtmd.config import Preset
from mtmd.registry.registry import Registry
from mtmd.report.tables.evaluation import Column, Table
from mtmd.serve.search import by_task
from mtmd.store.files import write_text

SAME = 1e-5  # largest |Δ| of a probability between an answer and this process
TOP = 10
_QUESTIONS = 30
_PATIENCE_S = 300.0
_BOUNDS_MS = (1, 2, 3, 5, 7.5, 10, 15, 20, 30, 50, 100, 200, 500, 1000)

# of each model: each question's ads and scores
Expected = Mapping[str, Sequence[tuple[list[int], list[float]]]]


@dataclass(frozen=True)
class Load:
    """How the service is asked."""

    duration_s: float = 600.0
    clients: int = 2
    ads: int = 20_000
    timeout_s: float | None = None  # of a call; the service's own by default


@dataclass
class Seen:
    """What the clients saw; appending needs no lock."""

    latencies_s: list[float] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    swaps_s: dict[str, float] = field(default_factory=dict)
    start_s: float = 0.0
    restart_s: float = 0.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both tables; exit status 1 when a question failed."""
    options = _parser().parse_args(arguments)
    load = Load(options.duration, options.clients, options.ads, options.timeout)
    with tempfile.TemporaryDirectory(dir=options.directory) as place:
        seen = measured(options.preset, Path(place), load)
    text = f"{summary(seen, load).markdown()}\n{histogram(seen).markdown()}"
    console = Console(soft_wrap=True, highlight=False)
    console.print(text, markup=False)
    for words in seen.failures[:10]:
        console.print(words, markup=False)
    if options.output is not None:
        write_text(options.output, text)
    return 1 if seen.failures else 0


def measured(preset: Preset, place: Path, load: Load) -> Seen:
    """Three promotions and one rollback under load, then a kill and a restart."""
    line, seen = place / "line", Seen()
    models = [register(line, preset, number, load.ads) for number in range(4)]
    questions = random_requests(preset.declarations.query, _QUESTIONS, seed=6)
    expected = {model: _answers(line, model, questions) for model in models}
    promote(line, models[0])
    service = ServiceProcess(line, place / "service.log", load.timeout_s)
    with service, ThreadPoolExecutor(load.clients) as pool:
        seen.start_s, done = service.start(), threading.Event()
        bodies = [json.dumps({"requests": [one], "top_k": TOP}).encode() for one in questions]
        asking = [pool.submit(_ask, service.port, bodies, expected, done, seen) for _ in range(load.clients)]
        try:
            _change(line, models, load.duration_s / 5, seen)
        finally:
            done.set()
        for one in asking:
            one.result()
        service.kill()
        seen.restart_s = service.start()
    return seen


def summary(seen: Seen, load: Load) -> Table:
    """What was asked, what failed, how long it took."""
    percentiles = 1e3 * np.percentile(seen.latencies_s, [50, 90, 99, 99.9, 100])
    names = ("p50", "p90", "p99", "p99.9", "longest")
    rows = [
        ("questions", f"{len(seen.latencies_s):,} in {load.duration_s:g} s by {load.clients} clients"),
        ("failed", f"{len(seen.failures)}"),
        *((name, f"{value:.2f} ms") for name, value in zip(names, percentiles, strict=True)),
        *((f"{what}: until its first answer", f"{1e3 * s:.0f} ms") for what, s in seen.swaps_s.items()),
        *((f"answers of {model}", f"{count:,}") for model, count in sorted(Counter(seen.models).items())),
        ("start until ready", f"{seen.start_s:.2f} s"),
        ("kill -9 and restart until ready", f"{seen.restart_s:.2f} s"),
    ]
    return Table(
        title=f"The service under load, {load.ads:,} ads, best {TOP}",
        columns=(Column(name="what", kind="text"), Column(name="measured", kind="text")),
        rows=tuple(rows),
    )


def histogram(seen: Seen) -> Table:
    """How many questions were answered within each time."""
    latencies = 1e3 * np.sort(seen.latencies_s)
    within = np.searchsorted(latencies, _BOUNDS_MS, side="right")
    rows = [
        (f"≤ {bound:g} ms", f"{count:,}", f"{count / len(latencies):.3%}")
        for bound, count in zip(_BOUNDS_MS, within, strict=True)
    ]
    names = ("latency", "questions", "share")
    columns = tuple(Column(name=name, kind="text") for name in names)
    return Table(title="Latency, as a client sees it", columns=columns, rows=tuple(rows))


def _answers(
    line: Path, model: str, questions: Sequence[dict[str, Any]]
) -> list[tuple[list[int], list[float]]]:
    """What the model answers, one question after the other."""
    own = ranker(line, model)
    domains = own.scorer.info.declarations.domains
    ranking = by_task(domains, domains.task_names[0])
    found = [own.rank([question], ranking, TOP) for question in questions]
    return [(one.ad_id[0].tolist(), one.probability[0, :, 0].tolist()) for one in found]


def _ask(port: int, bodies: Sequence[bytes], expected: Expected, done: threading.Event, seen: Seen) -> None:
    connection = Connection(port)
    number = 0
    while not done.is_set():
        number = (number + 1) % len(bodies)
        began = time.perf_counter()
        try:
            status, answer = connection.post("/rank", bodies[number])
        except (OSError, HTTPException) as error:
            seen.failures.append(f"no answer: {error!r}")
            connection.close()
            connection = Connection(port)
            continue
        seen.latencies_s.append(time.perf_counter() - began)
        if status != 200:
            seen.failures.append(f"{status}: {answer}")
            continue
        seen.models.append(answer["model_id"])
        _compare(answer, expected[answer["model_id"]][number], seen)
    connection.close()


def _compare(answer: Any, expected: tuple[list[int], list[float]], seen: Seen) -> None:
    """The scores in order, not the ids: ads whose scores are as good as equal may change places."""
    (own,) = answer["requests"]
    scores = [ad["score"] for ad in own["ads"]]
    if not np.allclose(scores, expected[1], rtol=0, atol=SAME):
        seen.failures.append(f"{answer['model_id']} gave {scores}, not {expected[1]}")


def _change(line: Path, models: Sequence[str], pause_s: float, seen: Seen) -> None:
    """Three promotions and a rollback, evenly over the time."""
    for model in models[1:]:
        time.sleep(pause_s)
        began = time.perf_counter()
        promote(line, model)
        seen.swaps_s[f"promotion of {model}"] = _first_answer(model, began, seen)
    time.sleep(pause_s)
    began = time.perf_counter()
    _, champion = Registry(line).rollback("a benchmark's", lambda _: None)
    seen.swaps_s[f"rollback to {champion.model_id}"] = _first_answer(champion.model_id, began, seen)
    time.sleep(pause_s)


def _first_answer(model: str, began: float, seen: Seen) -> float:
    """Seconds until the clients hear the model; raises RuntimeError when they do not."""
    while not seen.models or seen.models[-1] != model:
        if time.perf_counter() - began > _PATIENCE_S:
            raise RuntimeError(f"{model} was live for {_PATIENCE_S:g} s and did not answer")
        time.sleep(0.005)
    return time.perf_counter() - began


def _parser() -> argparse.ArgumentParser:
    load = Load()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service", description=__doc__)
    parser.add_argument(
        "--preset", type=preset_without_lists, default="demo", help="a name, or a path to a .toml"
    )
    parser.add_argument("--duration", type=float, default=load.duration_s, help="seconds under load")
    parser.add_argument("--clients", type=int, default=load.clients, help="that ask at once")
    parser.add_argument("--ads", type=int, default=load.ads, help="that are published")
    parser.add_argument("--timeout", type=float, help="seconds for a call; the service's own by default")
    parser.add_argument("--directory", type=Path, help="for temporary files")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the tables as Markdown")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
