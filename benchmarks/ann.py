"""What approximate search finds, and what it saves: `python -m benchmarks.ann`, after `make run`.

The champion's item towers embed the ads of a larger platform than the one that it was trained on, which has the same
topics, tastes and prices; its query towers embed requests of that platform. Each request's best ads are searched for
exactly and in the index, in turns, by every task and by a utility with bids. The same is done with random vectors,
which have no neighbourhoods to walk: the worst that an index can be given.

*recall* is the share of the exact best ads that are found, *kept* what the found ones are worth, summed probability or
utility, as a share of what the exact best are worth. Times are processor time of one thread, so that they hold on a
machine that does something else besides.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.serving import random_ads
from mtmd.config import load_preset
from mtmd.logs.encoding import encode
from mtmd.publish.embedding import EncodedAds, publish_ads
from mtmd.registry.bundle import BundleInfo
from mtmd.registry.registry import Registry
from mtmd.report.tables.evaluation import Column, Table
from mtmd.serve.ann import AdIndex
from mtmd.serve.published import PublishedAds, open_ads
from mtmd.serve.scorer import Embeddings, Scorer
from mtmd.serve.search import Ranking, TopAds, by_task, by_utility, search
from mtmd.sources.simulated.config import WorldConfig
from mtmd.sources.simulated.platform import SimulatedPlatform
from mtmd.sources.simulated.requests import draw_requests
from mtmd.store.files import write_text
from mtmd.store.workspace import Workspace

Values = NDArray[np.float64]
COLUMNS = ("embeddings", "ranked by", "ads of a graph", "recall", "kept", "ms")
BUILT = ("embeddings", "ads", "building, s", "index, MB", "embeddings, MB")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both tables."""
    options = _parser().parse_args(arguments)
    preset = load_preset(options.preset)
    registry = Registry(Workspace.of(options.artifacts, preset).root)
    champion = registry.champion()
    if champion is None:
        raise RuntimeError(f"{registry.root} has no champion; `make run` makes one")
    scorer = Scorer.load(registry.verify(champion.model_id))
    world = WorldConfig.sized(0, ads=options.ads, requests_per_day=2 * max(options.requests, 10))
    domains = scorer.info.declarations.domains
    measured, built = [], []
    with tempfile.TemporaryDirectory(dir=options.directory) as name:
        place = Path(name)
        ads, queries = simulated(scorer, world, champion.as_of, options.requests, place / "trained")
        rankings = {task: by_task(domains, task) for task in domains.task_names}
        rankings["bid × Σ P"] = by_utility(domains, dict.fromkeys(domains.task_names, 1.0))
        for label, own_ads, own_queries, own_rankings in (
            ("trained", ads, queries, rankings),
            ("random", *random_rivals(scorer.info, place / "random", options)),
        ):
            index, row = build(label, own_ads, place / f"{label} index")
            built.append(row)
            for ranked_by, ranking in own_rankings.items():
                rows = compare(index, own_ads, own_queries, ranking, options.top, options.widths)
                measured += [(label, ranked_by, *cells) for cells in rows]
    title = f"Approximate search: the {options.top} best of {options.ads:,} ads, {len(queries)} requests"
    tables = [_table(title, COLUMNS, measured), _table("The indexes", BUILT, built)]
    text = "\n".join(table.markdown() for table in tables)
    Console(soft_wrap=True, highlight=False).print(text, markup=False)
    if options.output is not None:
        write_text(options.output, text)
    return 0


def simulated(
    scorer: Scorer, world: WorldConfig, day: date, requests: int, directory: Path
) -> tuple[PublishedAds, Embeddings]:
    """All ads of a day of a platform, published, and its first requests, embedded by surface."""
    platform, declarations = SimulatedPlatform(world), scorer.info.declarations
    snapshot = platform.ads(day)
    ads = platform.book.ads(snapshot)

    def encoded(product: str) -> EncodedAds:
        own = ads.filter(pc.equal(ads["product"], product))
        rows = encode(own, declarations.item, declarations.hash_seed)
        return EncodedAds(product, own["ad_id"].to_numpy(), rows, own["bid"].to_numpy())

    publish_ads(scorer, map(encoded, declarations.domains.products), directory)
    asked = platform.book.requests(
        draw_requests(platform.population, day.toordinal(), 0, requests), day.toordinal(), 0
    )
    parts = []
    for surface in declarations.domains.surfaces:
        own = asked.filter(pc.equal(asked["surface"], surface))
        parts.append(scorer.embed_queries(surface, encode(own, declarations.query, declarations.hash_seed)))
    return open_ads(directory, scorer.info), Embeddings.concatenate(parts)


def random_rivals(
    info: BundleInfo, directory: Path, options: argparse.Namespace
) -> tuple[PublishedAds, Embeddings, dict[str, Ranking]]:
    """As many ads and requests whose embeddings are random numbers, and the first task, to rank them by."""
    task, rng = info.declarations.domains.task_names[0], np.random.default_rng(5)
    size = (options.requests, info.widths[task])
    own = {task: rng.standard_normal(size, dtype=np.float32) / np.float32(size[1] ** 0.5)}  # logits of size 1
    queries = Embeddings(info.bundle_id, "query", np.zeros(options.requests, np.int64), own)
    ads = only(random_ads(info, directory, options.ads), task)
    return ads, queries, {task: by_task(info.declarations.domains, task)}


def only(ads: PublishedAds, task: str) -> PublishedAds:
    """The ads with the embeddings of one task."""
    return PublishedAds(
        ads.bundle_id, tuple(replace(block, tasks={task: block.tasks[task]}) for block in ads.blocks)
    )


def build(label: str, ads: PublishedAds, directory: Path) -> tuple[AdIndex, tuple[str, ...]]:
    """An index, saved and mapped, and the row of what it costs."""
    began = time.process_time()
    built = AdIndex.build(ads)
    seconds = time.process_time() - began
    built.save(directory)
    size = sum(path.stat().st_size for path in directory.iterdir())
    embeddings = sum(own.nbytes for block in ads.blocks for own in block.tasks.values())
    cells = (label, f"{len(ads):,}", f"{seconds:.0f}", f"{size / 1e6:.0f}", f"{embeddings / 1e6:.0f}")
    return AdIndex.open(directory, ads), cells


def compare(
    index: AdIndex, ads: PublishedAds, queries: Embeddings, ranking: Ranking, top: int, widths: Sequence[int]
) -> list[tuple[str, ...]]:
    """A row of the exact search and of each width: what is found and kept, and the median time."""
    contenders: list[Callable[[Embeddings], TopAds]] = [partial(search, ads=ads, ranking=ranking, k=top)]
    contenders += [partial(index.find, ranking=ranking, k=top, width=width) for width in widths]
    times = np.empty((len(contenders), len(queries)))
    shares = np.empty((2, len(contenders), len(queries)))
    for number in range(len(queries)):
        query = queries.part(slice(number, number + 1))
        found = []
        for place, contender in enumerate(contenders):
            began = time.process_time()
            found.append(contender(query))
            times[place, number] = time.process_time() - began
        best = found[0]
        for place, own in enumerate(found):
            shares[0, place, number] = np.isin(best.row, own.row).mean()
            shares[1, place, number] = worth(own, ranking) / worth(best, ranking)
    labels = ["exact", *(f"{width:,}" for width in widths)]
    measured = zip(labels, *shares.mean(axis=2), 1e3 * np.median(times, axis=1), strict=True)
    return [(label, f"{found:.3f}", f"{kept:.4f}", f"{own:.2f}") for label, found, kept, own in measured]


def worth(top: TopAds, ranking: Ranking) -> float:
    """Summed utility, or summed probability: of one task scores are logits, of a chain log-probabilities."""
    scores: Values = top.score.astype(np.float64)
    if not ranking.bids:
        scores = np.exp(scores) if len(ranking.tasks) > 1 else 1 / (1 + np.exp(-scores))
    return float(scores.sum())


def _table(title: str, names: Sequence[str], rows: Sequence[tuple[str, ...]]) -> Table:
    columns = tuple(Column(name=name, kind="text") for name in names)
    return Table(title=title, columns=columns, rows=tuple(rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ann", description=__doc__)
    parser.add_argument("--preset", default="demo", help="a name, or a path to a .toml")
    parser.add_argument("--artifacts", default="artifacts")
    parser.add_argument("--ads", type=int, default=100_000, help="of the simulated platform")
    parser.add_argument("--requests", type=int, default=120, help="searched one by one")
    parser.add_argument("--top", type=int, default=100, help="k")
    parser.add_argument("--widths", type=int, nargs="+", default=[100, 200, 400, 800])
    parser.add_argument("--directory", type=Path, help="for some 500 MB of temporary files")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the tables as Markdown")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
