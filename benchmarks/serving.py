"""How fast ads are published and found: `OPENBLAS_NUM_THREADS=1 python -m benchmarks.serving`.

It trains nothing and reads no logs. Of an untrained model of the preset's shapes, in processor seconds, contenders
taking turns:

1. ads that are published (embedded, checked, written and digested), in float32 and with int8 too, beside torch's tower
   in eager mode at its best batch size, which only embeds them;
2. the 100 best of a million ads for one query by the first task, likewise, beside a plain reading of their float32
   numbers: the dot product with themselves.
"""

import argparse
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import torch

from benchmarks.runs import at_least, print_measured
from benchmarks.untrained import preset_without_lists, random_model, random_rows
from mtmd.config import Preset
from mtmd.export.bundle import export_bundle
from mtmd.export.parity import side_input
from mtmd.logs.encoding import EncodedAds, EncodedSide
from mtmd.model.ranker import TwoTower
from mtmd.report.tables import Column, Table
from mtmd.serve.published import INT8_BLOCK, AdBlock, PublishedAds, publish_ads
from mtmd.serve.ranker import ranking_by, search
from mtmd.serve.scorer import Scorer

TOP = 100
EAGER_BATCHES = (256, 1024, 4096)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    options = _parser().parse_args(arguments)
    return print_measured(options, lambda: measured(options))


def measured(options: argparse.Namespace) -> Table:
    """Seconds of each contender, and how many times as fast it is as the reference."""
    preset: Preset = options.preset
    model = random_model(preset)
    with TemporaryDirectory(dir=options.directory) as name:
        export_bundle(model, preset, Path(name))
        scorer = Scorer.load(Path(name))
        publishing = _publishing(model, scorer, Path(name), options.ads, options.threads)
        published = _seconds(publishing, options.rounds)
    found = _seconds(_finding(scorer, options.published), options.rounds)
    eager = min(seconds for what, seconds in published.items() if what.startswith("torch"))
    reading = found["reading them"]
    rows = [
        (
            f"{what}, {count:,} ads",
            f"{seconds:.4f}",
            f"{count / seconds:,.0f}",
            f"{reference / seconds:.2f} ×",
        )
        for times, count, reference in (
            (published, options.ads, eager),
            (found, options.published, reading),
        )
        for what, seconds in times.items()
    ]
    names = ("what", "processor seconds", "ads/s", "of the reference's ads/s")
    return Table(
        title=f"Publication and search, preset {preset.name}",
        columns=tuple(Column(name=name, kind="text") for name in names),
        rows=tuple(rows),
    )


def _publishing(
    model: TwoTower, scorer: Scorer, place: Path, ads: int, threads: int
) -> Mapping[str, Callable[[], object]]:
    products, rows = (
        scorer.info.declarations.domains.products,
        random_rows(scorer.info.declarations.item, ads, 3),
    )
    given = EncodedAds(products[0], np.arange(ads), rows, np.ones(ads, np.float32))
    names = (place / f"published-{number}" for number in itertools.count())

    def published(int8: bool) -> Callable[[], object]:
        return lambda: publish_ads(scorer, [given], next(names), threads, int8=int8)

    eager = {
        f"torch, batches of {size}": partial(_eager, model, rows, size, len(products))
        for size in EAGER_BATCHES
    }
    return {"publishing": published(False), "publishing with int8": published(True)} | eager


def _eager(model: TwoTower, rows: EncodedSide, size: int, products: int) -> None:
    """Embed ads of the first product."""
    with torch.inference_mode():
        for start in range(0, len(rows), size):
            part = rows.take(slice(start, start + size))
            model.embed_items(side_input(part, 0, products))


def _finding(scorer: Scorer, ads: int) -> Mapping[str, Callable[[], object]]:
    rng, domains = np.random.default_rng(4), scorer.info.declarations.domains
    task, product = domains.task_names[0], domains.products[0]
    blocks = []
    for start in range(0, ads, INT8_BLOCK):
        ids = np.arange(start, min(start + INT8_BLOCK, ads))
        matrix = rng.standard_normal((len(ids), scorer.info.widths[task]), dtype=np.float32)
        blocks.append(AdBlock(product, ids, {task: matrix}, np.ones(len(ids), np.float32)))
    exact = PublishedAds(tuple(blocks))
    int8 = PublishedAds(tuple(block.with_int8() for block in blocks))
    queries = {task: rng.standard_normal((1, scorer.info.widths[task]), dtype=np.float32)}
    flat, ranking = [block.tasks[task].reshape(-1) for block in blocks], ranking_by(domains, task)
    return {
        f"the best {TOP}": lambda: search(queries, exact, ranking, TOP),
        f"the best {TOP} by int8": lambda: search(queries, int8, ranking, TOP),
        "reading them": lambda: [np.dot(one, one) for one in flat],
    }


def _seconds(works: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median processor seconds of each, taking turns, after one turn that warms up."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds + 1):
        for name, work in works.items():
            begun = time.process_time()
            work()
            found[name].append(time.process_time() - begun)
    return {name: median(times[1:]) for name, times in found.items()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument(
        "--preset", type=preset_without_lists, default="demo", help="a name, or a path to a .toml"
    )
    parser.add_argument("--ads", type=at_least(1), default=1 << 14, help="to publish")
    parser.add_argument("--published", type=at_least(1), default=1_000_000, help="ads to choose from")
    parser.add_argument("--rounds", type=at_least(1), default=5, help="turns of each contender")
    parser.add_argument("--threads", type=at_least(1), default=1, help="that publish")
    parser.add_argument("--directory", type=Path, help="for some 1 GB of temporary files")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the table as Markdown")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
