"""How fast ads and queries are served: `python -m benchmarks.serving`. It trains nothing and reads no logs.

A model of the preset's shapes with random weights is exported as a trained one is, and measured three times, each time
beside its rival, the two taking turns in this process:

1. the query tower for one request, on one thread, beside the same tower with the experts of every surface computed and
   one of them selected. Both read the shared tables, and run the domain-shared expert once.
2. ads per second, embedded and published (embedded, checked, written in two precisions, and durable), beside the torch
   tower in eager mode at its best batch size, which only embeds them, on as many threads.
3. the 100 best of a million published ads for one query, beside a plain read of the same bytes: the dot product of the
   mapped embeddings with themselves.
"""

import argparse
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor

from benchmarks.untrained import AllSurfaces, preset_without_lists, random_model, random_rows
from mtmd.config import Feature, Preset
from mtmd.export.bundle import export_bundle
from mtmd.export.onnx_files import OnnxWriter
from mtmd.logs.encoding import EncodedAds, EncodedSide
from mtmd.model.batch import SideInput
from mtmd.model.served import DomainModule
from mtmd.model.two_tower import MTMD
from mtmd.publish.embedding import BLOCK, embedded, publish_ads
from mtmd.registry.bundle import INPUT_PREFIX, BundleInfo
from mtmd.report.tables.evaluation import Column, Table
from mtmd.serve.published import AdBlock, PublishedAds, open_ads, tasks_of, write_ads
from mtmd.serve.scorer import Embeddings, Scorer, open_session
from mtmd.serve.search import by_task, search
from mtmd.store.files import write_text

TARGETS = {"query": 0.5, "publication": 2.0, "scoring": 0.6}
TOP = 100
EAGER_BATCHES = (256, 1024, 4096)
SAME = 1e-4  # largest |Δ| of an embedding between rivals, which sum in other orders
_RUN = 50  # requests in a row, before the rival has its turn
_BLAS = "OPENBLAS_NUM_THREADS"  # numpy reads it once, at its import

Cells = tuple[str, ...]
Array = NDArray[Any]


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    requests: int = 3000
    ads: int = 1 << 16
    published: int = 1_000_000
    rounds: int = 5
    threads: tuple[int, ...] = (1, 2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    options = _parser().parse_args(arguments)
    if os.environ.get(_BLAS) != "1":
        given = sys.argv[1:] if arguments is None else arguments
        command = [sys.executable, "-m", "benchmarks.serving", *given]
        os.execve(sys.executable, command, os.environ | {_BLAS: "1"})
    sizes = Sizes(options.requests, options.ads, options.published, options.rounds, tuple(options.threads))
    with tempfile.TemporaryDirectory(dir=options.directory) as place:
        table = measured(options.preset, Path(place), sizes)
    Console(soft_wrap=True, highlight=False).print(table.markdown(), markup=False)
    if options.output is not None:
        write_text(options.output, table.markdown())
    return 0


def measured(preset: Preset, place: Path, sizes: Sizes) -> Table:
    """All rows of the table; raises RuntimeError where rivals do not compute the same."""
    model = random_model(preset)
    (place / "bundle").mkdir()
    export_bundle(model, preset, place / "bundle", place / "graphs")
    scorer = Scorer.load(place / "bundle")
    rows = query_rows(model, preset, place, sizes.requests)
    for threads in sizes.threads:
        rows += publication_rows(model, scorer, place, threads, sizes)
    ads = random_ads(scorer.info, place / "ads", sizes.published)
    rows += [scoring_row(scorer.info, ads, threads, sizes.rounds) for threads in sizes.threads]
    names = ("what", "threads", "measured", "beside", "ratio", "target")
    return Table(
        title=f"Serving, preset {preset.name}",
        columns=tuple(Column(name=name, kind="text") for name in names),
        rows=tuple(rows),
    )


def query_rows(model: MTMD, preset: Preset, place: Path, requests: int) -> list[Cells]:
    """Rows of the median and the 99th percentile of one request's time."""
    schema, tasks = preset.declarations.query, preset.domains.task_names
    surfaces = range(len(schema.domains))
    selector = Feature(name="surface_index", side="query", kind="categorical", buckets=len(surfaces))
    wide = schema.model_copy(update={"categorical": (*schema.categorical, selector)})
    modules = [DomainModule(model.query, surface) for surface in surfaces]
    OnnxWriter(wide, tasks, place / "wide").write(place / "all.onnx", AllSurfaces(modules), {})
    every = open_session(place / "all.onnx")
    own = [open_session(place / "bundle" / f"query_{name}.onnx") for name in schema.domains]
    rows = random_rows(schema, requests, seed=2)
    times = np.empty((2, requests))
    for start in range(0, requests, _RUN):
        for contender in range(2):
            for row in range(start, min(start + _RUN, requests)):
                surface = row % len(surfaces)
                session = every if contender else own[surface]
                given = _inputs(rows.part(slice(row, row + 1)), surface if contender else None)
                began = time.perf_counter()
                session.run(None, given)
                times[contender, row] = time.perf_counter() - began
    for surface in surfaces:
        _require_same(own[surface].run(None, _inputs(rows)), every.run(None, _inputs(rows, surface)))
    medians, tails = (1e3 * np.percentile(times, q, axis=1) for q in (50, 99))
    return [
        _query_row("p50", *medians, f"≤ {TARGETS['query']:g}"),
        _query_row("p99", *tails, ""),
    ]


def _query_row(what: str, own: float, every: float, target: str) -> Cells:
    of_all = f"all surfaces: {every:.3f} ms"
    return f"query tower, batch 1, {what}", "1", f"{own:.3f} ms", of_all, f"{own / every:.2f}", target


def _inputs(rows: EncodedSide, surface: int | None = None) -> dict[str, Array]:
    """What a session of the query tower takes; of the one with all surfaces, where one is given."""
    ids = rows.categorical.astype(np.int64)
    if surface is not None:
        ids = np.concatenate([ids, np.full((len(ids), 1), surface)], axis=1)
    matrices = {"continuous": rows.continuous, "categorical": ids, "embedding": rows.embedding}
    return {INPUT_PREFIX + name: matrix for name, matrix in matrices.items() if matrix.shape[1]}


def publication_rows(model: MTMD, scorer: Scorer, place: Path, threads: int, sizes: Sizes) -> list[Cells]:
    """Ads per second of the first product: embedded, and published, both beside torch's best batch size."""
    schema, product = scorer.info.declarations.item, scorer.info.declarations.domains.products[0]
    bids = np.ones(sizes.ads, np.float32)
    given = EncodedAds(product, np.arange(sizes.ads), random_rows(schema, sizes.ads, seed=3), bids)
    torch.set_num_threads(threads)
    names = (place / f"published-{threads}-{number}" for number in itertools.count())
    eager = [partial(_eager, model, given.rows, size) for size in EAGER_BATCHES]
    with ThreadPoolExecutor(threads) as pool:
        embedding, publication, *theirs = alternating(
            [
                lambda: list(embedded(scorer, [given], pool)),
                lambda: publish_ads(scorer, [given], next(names), threads=threads),
                *eager,
            ],
            sizes.rounds,
        )
    published = open_ads(place / f"published-{threads}-0", scorer.info).blocks[0].tasks
    reference = dict(zip(scorer.tasks, _eager(model, given.rows.part(slice(256)), 256), strict=True))
    _require_same([published[task][:256] for task in published], [reference[task] for task in published])
    best = min(theirs)
    beside = f"torch eager, batches of {EAGER_BATCHES[theirs.index(best)]}: {sizes.ads / best:,.0f} ads/s"
    return [
        (
            f"{what} {sizes.ads:,} ads",
            str(threads),
            f"{sizes.ads / seconds:,.0f} ads/s",
            beside,
            f"{best / seconds:.2f}",
            f"≥ {TARGETS['publication']:g}",
        )
        for what, seconds in (("embedding", embedding), ("publishing", publication))
    ]


def _eager(model: MTMD, rows: EncodedSide, size: int) -> list[Array]:
    """Embeddings of the last batch, per task, after all others."""
    found: tuple[Tensor, ...] = ()
    with torch.inference_mode():
        for start in range(0, len(rows), size):
            part = rows.part(slice(start, start + size))
            side = SideInput(
                torch.from_numpy(part.continuous),
                torch.from_numpy(part.categorical.astype(np.int64)),
                torch.from_numpy(part.embedding),
                (len(part), *(0 for _ in range(model.products - 1))),
            )
            found = model.embed_items(side)
    return [one.numpy() for one in found]


def random_ads(info: BundleInfo, directory: Path, ads: int) -> PublishedAds:
    """Published ads of the first product, with random embeddings."""
    rng = np.random.default_rng(4)
    product = info.declarations.domains.products[0]

    def blocks() -> Iterator[AdBlock]:
        for start in range(0, ads, BLOCK):
            ad_id = np.arange(start, min(start + BLOCK, ads))
            tasks = {
                task: rng.standard_normal((len(ad_id), info.widths[task]), dtype=np.float32)
                for task in tasks_of(info, product)
            }
            bid, features = np.ones(len(ad_id), np.float32), np.zeros((len(ad_id), 2), np.int64)
            yield AdBlock(product, ad_id, tasks, bid, features)

    write_ads(info, blocks(), directory)
    return open_ads(directory, info)


def scoring_row(info: BundleInfo, ads: PublishedAds, threads: int, rounds: int) -> Cells:
    """One query's best ads by the first task, and a plain read of that task's embeddings."""
    task = info.declarations.domains.task_names[0]
    query = np.random.default_rng(5).standard_normal((1, info.widths[task]), dtype=np.float32)
    queries = Embeddings(info.bundle_id, "query", np.zeros(1, np.int64), {task: query})
    ranking = by_task(info.declarations.domains, task)
    flat = [block.tasks[task].reshape(-1) for block in ads.blocks]
    size = sum(one.nbytes for one in flat) / 1e9
    with ThreadPoolExecutor(threads) as pool:
        taken, read = alternating(
            [
                lambda: search(queries, ads, ranking, TOP, threads=threads),
                lambda: list(pool.map(lambda one: np.dot(one, one), flat)),
            ],
            rounds,
        )
    found = search(queries, ads, ranking, TOP, threads=threads)
    scores = np.concatenate([block.tasks[task] @ query[0] for block in ads.blocks])
    if not np.allclose(found.score[0], -np.sort(-scores)[:TOP], rtol=SAME):
        raise RuntimeError("the search's best scores are not those of all scores sorted")
    return (
        f"best {TOP} of {len(ads):,} ads, {size:.2f} GB",
        str(threads),
        f"{1e3 * taken:.1f} ms",
        f"read at {size / read:.1f} GB/s: {1e3 * read:.1f} ms",
        f"{read / taken:.0%}",
        f"≥ {TARGETS['scoring']:.0%}",
    )


def alternating(contenders: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Median seconds of each, taking turns, after one turn that warms up."""
    times: list[list[float]] = []
    for _ in range(1 + rounds):
        times.append([])
        for contender in contenders:
            began = time.perf_counter()
            contender()
            times[-1].append(time.perf_counter() - began)
    return [statistics.median(own) for own in zip(*times[1:], strict=True)]


def _require_same(ours: Sequence[Array], theirs: Sequence[Array]) -> None:
    for own, other in zip(ours, theirs, strict=True):
        if not (delta := float(np.abs(own - other).max())) <= SAME:
            raise RuntimeError(
                f"embeddings of rivals differ by {delta}, at most {SAME}: their times compare nothing"
            )


def _parser() -> argparse.ArgumentParser:
    sizes = Sizes()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument(
        "--preset", type=preset_without_lists, default="demo", help="a name, or a path to a .toml"
    )
    parser.add_argument("--requests", type=int, default=sizes.requests, help="timed one by one")
    parser.add_argument("--ads", type=int, default=sizes.ads, help="to embed")
    parser.add_argument("--published", type=int, default=sizes.published, help="ads to choose from")
    parser.add_argument("--rounds", type=int, default=sizes.rounds, help="turns of each rival")
    parser.add_argument("--threads", type=int, nargs="+", default=list(sizes.threads))
    parser.add_argument("--directory", type=Path, help="for some 10 GB of temporary files")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the table as Markdown")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
