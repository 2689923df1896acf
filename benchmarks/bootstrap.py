"""How long the daily evaluation's intervals take: `python -m benchmarks.bootstrap`.

A held-out day of random scores in the demo's domains, and as many predictors as a daily run has. The reference is the
bootstrap as it is told: draw the requests with replacement, and compute every slice's LogMAE anew, once per resample.
It is run for a few resamples, whose time is taken times the number that the daily run draws.
"""

import argparse
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from mtmd.config import EvaluationConfig, Preset, load_preset
from mtmd.evaluate.bootstrap import compare, resample
from mtmd.evaluate.held_out import HeldOutDay, SliceRows, cut
from mtmd.report.tables.evaluation import Cell, Column, Table

PREDICTORS = ("mtmd", "champion", "per_slice", "pooled", "constant")
_CANDIDATES = 16  # of a request
_REFERENCE = 5  # resamples of the reference that are timed

Predictions = Mapping[str, NDArray[np.floating]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    options = _parser().parse_args(arguments)
    preset = load_preset("demo")
    rows = [_measured(preset, count) for count in options.rows]
    table = _table(rows, preset.evaluation)
    Console(soft_wrap=True, highlight=False).print(table.markdown(), markup=False)
    return 0


def random_day(preset: Preset, rows: int, seed: int = 0) -> tuple[HeldOutDay, Predictions]:
    """A day of `rows` candidates whose predictors are the teacher with noise of their own."""
    rng = np.random.default_rng(seed)
    domains = preset.domains
    request = np.repeat(np.arange(rows // _CANDIDATES + 1), _CANDIDATES)[:rows]
    surface = np.sort(rng.integers(0, len(domains.surfaces), request[-1] + 1))[request]
    domain = surface * len(domains.products) + rng.integers(0, len(domains.products), rows)
    exists = preset.declarations.domains.task_mask[domain]
    teacher = np.where(exists, rng.beta(1.0, 20.0, exists.shape).clip(1e-4), np.nan).astype(np.float32)
    day = HeldOutDay(
        teacher=teacher,
        labels=np.full(exists.shape, -1, np.int8),
        impressed=np.zeros(rows, np.bool_),
        domain=domain.astype(np.int64),
        request=request,
    )
    noise = {name: rng.normal(0.0, 0.2, exists.shape).astype(np.float32) for name in PREDICTORS}
    return day, {name: np.minimum(np.log(teacher) + own, 0.0) for name, own in noise.items()}


def plain_bootstrap(
    day: HeldOutDay, parts: Sequence[SliceRows], predictions: Predictions, resamples: int, seed: int = 0
) -> NDArray[np.float64]:
    """(S, slices, predictors) LogMAE, a resample at a time."""
    rng = np.random.default_rng(seed)
    requests = int(day.request[-1]) + 1
    errors = [
        [np.abs(log_p[part.rows, part.task] - part.teacher.log) for log_p in predictions.values()]
        for part in parts
    ]
    found = np.empty((resamples, len(parts), len(predictions)))
    for number in range(resamples):
        times = np.bincount(rng.integers(0, requests, requests), minlength=requests)
        for place, part in enumerate(parts):
            weight = times[day.request[part.rows]]
            found[number, place] = [np.average(error, weights=weight) for error in errors[place]]
    return found


def _measured(preset: Preset, count: int) -> tuple[Cell, ...]:
    day, predictions = random_day(preset, count)
    config = preset.evaluation
    parts = list(cut(day, preset.declarations, config.buckets))
    own = _seconds(lambda: compare(resample(day, parts, predictions, config), "mtmd", config.confidence))
    plain = _seconds(lambda: plain_bootstrap(day, parts, predictions, _REFERENCE)) / _REFERENCE
    whole = plain * config.resamples
    return (count, f"{own:.2f}", f"{whole:.0f}", f"{whole / own:.0f}")


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _table(rows: Sequence[tuple[Cell, ...]], config: EvaluationConfig) -> Table:
    columns = (
        Column(name="rows", kind="count"),
        Column(name="ours, s", kind="text"),
        Column(name="a resample at a time, s", kind="text"),
        Column(name="ratio", kind="text"),
    )
    title = (
        f"{config.resamples:,} resamples, {len(PREDICTORS)} predictors, 15 slices with {config.interval_buckets} "
        "rank buckets each (the reference: slices alone)"
    )
    return Table(title=title, columns=columns, rows=tuple(rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bootstrap", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
