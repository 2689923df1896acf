"""What a student that knew everything would reach on the simulated platform, and what a dot product could.

`python -m benchmarks.ceilings`

Two marks of the LogMAE against the teacher, slice by slice, from the world's own truth. Neither is an exact bound:

- noise: the truth without what nobody logs. The teacher's scores carry that, so even a student that knew every
  taste and every ad exactly would be about this far off; one that predicts the teacher's medians would be nearer.
- dot product: embeddings of a task's width (emb_deep + emb_shallow + 1), chosen freely per request and ad by a
  singular value decomposition of the true log-odds of all requests × all ads: the best by squares of log-odds. A
  two-tower model of that width could get this close if its features told it everything; what it lacks beyond that is
  knowledge, not capacity. It could get closer on the few ads that a request has.

A query has one embedding for both products and an ad one for all surfaces, so a task is one matrix.
Tasks are those of the preset, which the simulated platform must have: demo's or five-tasks'.
R requests, A ads, P pairs, T tasks, K width.
"""

import argparse
from collections.abc import Sequence
from datetime import date

import numpy as np
from rich.console import Console

from benchmarks.runs import told
from mtmd.config import Domains, Preset, Slice, load_preset
from mtmd.errors import ConfigError
from mtmd.report.tables.evaluation import Column, Table
from mtmd.sources.simulated import further_tasks
from mtmd.sources.simulated.ads import Ads
from mtmd.sources.simulated.config import WorldConfig
from mtmd.sources.simulated.platform import SimulatedPlatform, has_further_tasks, require_columns
from mtmd.sources.simulated.requests import Pairs, Requests, draw_pairs, draw_requests
from mtmd.sources.simulated.streams import Floats, generator
from mtmd.sources.simulated.teacher import TASKS, score

_CHUNK = 100  # requests whose pairs with all ads are held at once
_PARENTS = {"gctr": "ctr", "octr": "ctr", "cvr": "ctr"}  # of the platform's tasks; the others have none
_START = 10**8  # requests that no simulated day has: the same platform, another sample


@told
def main(arguments: Sequence[str] | None = None) -> int:
    """Print the marks of every slice."""
    options = _parser().parse_args(arguments)
    console = Console(soft_wrap=True, highlight=False)
    preset = load_preset(options.preset)
    require_columns(preset)
    size = preset.simulation
    world = WorldConfig.sized(
        options.world_seed,
        users=size.users,
        ads=size.ads,
        candidates_per_request=size.candidates_per_request,
        further_tasks=has_further_tasks(preset),
        own_reactions=size.own_reactions,
    )
    table = ceilings(SimulatedPlatform(world), preset, options.day, options.requests, options.width)
    console.print(table.markdown(), markup=False)
    return 0


def ceilings(
    platform: SimulatedPlatform, preset: Preset, day: date, count: int, widths: Sequence[int]
) -> Table:
    """Marks of `count` requests on the day's ads: noise, the preset's widths, then `widths` for every task.

    Raises ConfigError for tasks that the platform lacks, or that depend on each other in another way than there.
    """
    domains, model = preset.domains, preset.model
    places = _places(platform, preset)
    ads, ordinal = platform.ads(day), day.toordinal()
    requests = draw_requests(platform.population, ordinal, _START, _START + count)
    logits = true_logits(platform, requests, ads, day)[places]  # (T, R, A)
    pairs = draw_pairs(platform.population, requests, ads, ordinal, _START)
    teacher, structure = (chances[:, places] for chances in _scores(platform, requests, ads, pairs, day))
    deep = {"as configured": model.deep_widths(domains.task_names)}
    deep |= {f"{width} each": (width,) * len(domains.tasks) for width in widths}
    found = {"noise": structure}
    factors = [np.linalg.svd(matrix, full_matrices=False) for matrix in logits]
    for name, own in deep.items():
        chain = [
            _dots(factor, width + model.shallow_width + 1, pairs)
            for factor, width in zip(factors, own, strict=True)
        ]
        found[name] = _joint(np.stack(chain, axis=1), domains)
    errors = {name: np.abs(np.log(p) - np.log(teacher)) for name, p in found.items()}
    domain = requests.surface[pairs.request] * len(domains.products) + ads.product[pairs.ad]
    rows = [
        (*where, *(_mean(e, domain, domains, where) for e in errors.values())) for where in domains.slices
    ]
    columns = (
        *(Column(name=name, kind="text") for name in ("surface", "product", "task")),
        Column(name="noise"),
        *(Column(name=f"dot product, {name}") for name in deep),
    )
    title = f"LogMAE against the teacher of the truth that logs could tell, and of dot products ({count:,} requests)"
    return Table(title=title, columns=columns, rows=tuple(rows))


def true_logits(platform: SimulatedPlatform, requests: Requests, ads: Ads, day: date) -> Floats:
    """(T, R, A) log-odds of every request with every ad, each given the task's parent, without noise."""
    count, since = len(ads.ad_id), (day - platform.config.origin).days
    parts = []
    for start in range(0, len(requests), _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, len(requests)))
        grid = Pairs(np.repeat(rows, count), np.tile(np.arange(count), len(rows)))
        logits = platform.effects.logits(requests, ads, grid, since)
        stacked = list(logits.T)
        if platform.further_tasks is not None:
            stacked += list(platform.further_tasks.logits(requests, ads, grid, since).T)
        parts.append(np.stack(stacked).reshape(len(stacked), len(rows), count))
    return np.concatenate(parts, axis=1)


def _scores(
    platform: SimulatedPlatform, requests: Requests, ads: Ads, pairs: Pairs, day: date
) -> tuple[Floats, Floats]:
    """(P, T) the teacher's scores, and the truth without what nobody logs, of the platform's tasks."""
    seed, ordinal, since = platform.config.seed, day.toordinal(), (day - platform.config.origin).days
    logits = platform.effects.logits(requests, ads, pairs, since)
    noise = generator(seed, "noise", ordinal, _START)
    scores = score(logits, requests, ads, pairs, noise.standard_normal((2, len(pairs.ad), len(TASKS))))
    if platform.further_tasks is None:
        return scores.teacher, scores.structure
    noise = generator(seed, "further noise", ordinal, _START)
    normal = noise.standard_normal((2, len(pairs.ad), len(further_tasks.TASKS)))
    _, further = platform.further_tasks.score_with(requests, ads, pairs, scores, since, normal)
    return np.hstack([scores.teacher, further.teacher]), np.hstack([scores.structure, further.structure])


def _places(platform: SimulatedPlatform, preset: Preset) -> list[int]:
    """Where each of the preset's tasks is among the platform's."""
    domains = preset.domains
    there = (*TASKS, *(further_tasks.TASKS if platform.further_tasks is not None else ()))
    if missing := set(domains.task_names) - set(there):
        raise ConfigError(
            f"preset {preset.name!r} has tasks {sorted(missing)}, of which this platform knows no truth; it has "
            f"{list(there)}"
        )
    for task, parent in zip(domains.task_names, domains.parents, strict=True):
        found = None if parent is None else domains.task_names[parent]
        if found != _PARENTS.get(task):
            raise ConfigError(
                f"preset {preset.name!r} models {task!r} given {found!r}; the platform's truth is given "
                f"{_PARENTS.get(task)!r}, and so must the preset's be: constrained, with that parent"
            )
    return [there.index(task) for task in domains.task_names]


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
