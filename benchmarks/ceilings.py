"""What no student can beat on the simulated platform, and what a dot product could reach.

`python -m benchmarks.ceilings`

Two floors of the LogMAE against the teacher, slice by slice, from the world's own truth:

- noise: the truth without what nobody logs. The teacher's scores carry that, so even a student that knew every
  taste and every ad exactly would be this far off.
- dot product: the best embeddings of a task's width (emb_deep + emb_shallow + 1), chosen freely per request and ad
  by a singular value decomposition of the true log-odds of all requests × all ads. A two-tower model of that width
  could get this close if its features told it everything; what it lacks beyond that is knowledge, not capacity.

A query has one embedding for both products and an ad one for all surfaces, so a task is one matrix.
R requests, A ads, T tasks, K width.
"""

import argparse
from collections.abc import Sequence
from datetime import date

import numpy as np
from rich.console import Console

from mtmd.config import Domains, Preset, Slice, load_preset
from mtmd.evaluation import Column, Table
from mtmd.world import WorldConfig
from mtmd.world.ads import Ads
from mtmd.world.candidates import Pairs, draw_pairs
from mtmd.world.platform import Platform
from mtmd.world.requests import Requests, draw_requests
from mtmd.world.streams import Floats, generator
from mtmd.world.teacher import score

_CHUNK = 100  # requests whose pairs with all ads are held at once
_START = 10**8  # requests that no simulated day has: the same platform, another sample


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the floors of every slice."""
    options = _parser().parse_args(arguments)
    preset = load_preset(options.preset)
    platform = Platform(WorldConfig.demo(options.world_seed))
    table = ceilings(platform, preset, options.day, options.requests, options.width)
    Console(soft_wrap=True, highlight=False).print(table.markdown(), markup=False)
    return 0


def ceilings(platform: Platform, preset: Preset, day: date, count: int, widths: Sequence[int]) -> Table:
    """Floors of `count` requests on the day's ads: noise, the preset's widths, then `widths` for every task."""
    domains, model = preset.domains, preset.model
    ads, ordinal = platform.ads(day), day.toordinal()
    requests = draw_requests(platform.population, ordinal, _START, _START + count)
    logits = true_logits(platform, requests, ads, day)  # (T, R, A)
    pairs = draw_pairs(platform.population, requests, ads, ordinal, _START)
    noise = generator(platform.config.seed, "noise", ordinal, _START)
    at_pairs = platform.effects.logits(requests, ads, pairs, (day - platform.config.origin).days)
    scores = score(at_pairs, requests, ads, pairs, noise)
    deep = {"as configured": model.deep_widths(domains.task_names)}
    deep |= {f"{width} each": (width,) * len(domains.tasks) for width in widths}
    found = {"noise": scores.structure}
    factors = [np.linalg.svd(matrix, full_matrices=False) for matrix in logits]
    for name, own in deep.items():
        chain = [
            _dots(factor, width + model.shallow_width + 1, pairs)
            for factor, width in zip(factors, own, strict=True)
        ]
        found[name] = _joint(np.stack(chain, axis=1), domains)
    errors = {name: np.abs(np.log(p) - np.log(scores.teacher)) for name, p in found.items()}
    domain = requests.surface[pairs.request] * len(domains.products) + ads.product[pairs.ad]
    rows = [
        (*where, *(_mean(e, domain, domains, where) for e in errors.values())) for where in domains.slices
    ]
    columns = (
        *(Column(name=name, kind="text") for name in ("surface", "product", "task")),
        Column(name="noise"),
        *(Column(name=f"dot product, {name}") for name in deep),
    )
    title = f"LogMAE against the teacher that nothing, and no dot product, can beat ({count:,} requests)"
    return Table(title=title, columns=columns, rows=tuple(rows))


def true_logits(platform: Platform, requests: Requests, ads: Ads, day: date) -> Floats:
    """(T, R, A) log-odds of every request with every ad, each given the task's parent, without noise."""
    count, since = len(ads.ad_id), (day - platform.config.origin).days
    parts = []
    for start in range(0, len(requests), _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, len(requests)))
        grid = Pairs(np.repeat(rows, count), np.tile(np.arange(count), len(rows)))
        logits = platform.effects.logits(requests, ads, grid, since)
        stacked = np.stack([logits.click, logits.good, logits.outbound])
        parts.append(stacked.reshape(3, len(rows), count))
    return np.concatenate(parts, axis=1)


def _dots(factors: tuple[Floats, Floats, Floats], width: int, pairs: Pairs) -> Floats:
    """(P,) entries of the best matrix of rank `width`: Eckart and Young."""
    left, values, right = factors
    query, item = left[:, :width] * values[:width], right[:width].T
    return np.asarray(np.einsum("pk,pk->p", query[pairs.request], item[pairs.ad]))


def _joint(logits: Floats, domains: Domains) -> Floats:
    """(P, T) probabilities along the task tree."""
    joint = 1.0 / (1.0 + np.exp(-logits))
    for task, parent in enumerate(domains.parents):
        if parent is not None:
            joint[:, task] *= joint[:, parent]
    return joint


def _mean(errors: Floats, domain: Floats, domains: Domains, where: Slice) -> float:
    place = domains.domains.index((where.surface, where.product))
    return float(np.nanmean(errors[domain == place, domains.task_names.index(where.task)]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="demo")
    parser.add_argument("--day", type=date.fromisoformat, default=date(2026, 1, 25))
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument(
        "--width", type=int, nargs="*", default=[64, 48, 32], help="of emb_deep, all tasks alike"
    )
    parser.add_argument("--world-seed", type=int, default=0)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
