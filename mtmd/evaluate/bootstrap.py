"""How sure a difference is: a paired bootstrap over requests.

Rows of a request share a user and a context, so whole requests are drawn anew. In each of S resamples a request
counts Poisson(1) times, which is the bootstrap's draw with replacement when requests are many; the same number
for all slices and predictors, so that differences are paired. A resample's metric is a ratio of weighted sums, of which
two predictors share the lower one; and all of them are one matrix product: weights (S, requests) times sums by request
(requests, cells).

N rows of a slice, R requests, C cells (a slice, and a metric of all rows or of one rank bucket), M predictors, S
resamples.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mtmd.config import EvaluationConfig, Slice
from mtmd.evaluate.held_out import Scored, SliceRows
from mtmd.evaluate.metrics import LOGMAE, PAIRED, Floats, Integers, Metric, clip_log_p, log_ratio, row_values
from mtmd.evaluate.report import ALL, Comparison

BLOCK = 2048  # requests whose weights are held at once: 8 MB per 1,000 resamples
_LEVELS = 1 << 16  # of the uniform that a Poisson count is looked up by
Predictions = Mapping[str, NDArray[np.floating]]
Cut = tuple[Metric, int | None]


def compare(
    parts: Sequence[SliceRows], predictions: Mapping[str, Scored], config: EvaluationConfig, candidate: str
) -> list[Comparison]:
    """The candidate against every other predictor, in every cell, with intervals.

    Cells are every slice's rows, all of them and, for LogMAE, its top rank buckets; likewise each task's over its
    slices, and those of all tasks together, ("all", "all", "all"). A task has the metrics of what it learns from.
    """
    sources = {part.slice.task: part.source for part in parts}
    cuts: list[Cut] = [(metric, None) for metric in PAIRED if metric.source in sources.values()]
    if LOGMAE.source in sources.values():
        cuts += [(LOGMAE, bucket) for bucket in range(min(config.interval_buckets, config.buckets))]
    cells = [(part.slice, one) for part in parts for one in cuts]
    tasks = [*dict.fromkeys(part.slice.task for part in parts), ALL]
    whole = [(Slice(ALL, ALL, task), one) for task in tasks for one in cuts]
    worse = np.array([-1.0 if metric.better == "higher" else 1.0 for _, (metric, _) in (*cells, *whole)])
    member = np.array([[t.task in (s.task, ALL) and b == c for s, b in cells] for t, c in whole], np.float64)
    sums, resampled, requests = _resampled(parts, predictions, config, cuts, member)
    tails = [(1.0 - config.confidence) / 2.0, (1.0 + config.confidence) / 2.0]
    own, found = list(predictions).index(candidate), []
    for place, reference in enumerate(predictions):
        if place == own:
            continue
        ratio = worse * log_ratio(sums[:, own], sums[:, place])  # (C,)
        ratios = worse * log_ratio(resampled[..., own], resampled[..., place])  # (S, C)
        bounds = np.quantile(ratios, tails, axis=0)  # (2, C), NaN where a resample was empty
        spread = ratios.std(axis=0, ddof=1)
        for cell, (where, (metric, bucket)) in enumerate((*cells, *whole)):
            if sources.get(where.task, metric.source) != metric.source:
                continue
            found.append(
                Comparison(
                    reference=reference,
                    **where._asdict(),
                    metric=metric.name,
                    bucket=bucket,
                    requests=float(requests[cell]),
                    log_ratio=_finite(ratio[cell]),
                    standard_error=_finite(spread[cell]),
                    low=_finite(-math.expm1(bounds[1, cell])),
                    high=_finite(-math.expm1(bounds[0, cell])),
                )
            )
    return found


def _resampled(
    parts: Sequence[SliceRows],
    predictions: Mapping[str, Scored],
    config: EvaluationConfig,
    cuts: Sequence[Cut],
    member: Floats,
) -> tuple[Floats, Floats, Floats]:
    """Sums of errors (C, M), those of each resample (S, C, M), and effective requests (C,): (Σ n)² / Σ n² (Kish).

    The cells of slices come first, then the wholes that they are members of, (wholes, cells of slices).
    """
    # (all cells, cells of slices): every cell is itself, then the wholes
    parts_of = np.concatenate([np.eye(member.shape[1]), member])
    shape = (member.shape[1], len(predictions))
    sums, rows, squares = np.zeros(shape), np.zeros(len(parts_of)), np.zeros(len(parts_of))
    resampled = np.zeros((config.resamples, *shape))
    for surface in dict.fromkeys(part.slice.surface for part in parts):
        here = [i for i, part in enumerate(parts) if part.slice.surface == surface]
        columns = np.concatenate([np.arange(i * len(cuts), (i + 1) * len(cuts)) for i in here])
        for block, errors, counts in _blocks([parts[i] for i in here], predictions, cuts):
            weights = poisson_weights(config.bootstrap_seed, block, len(errors), config.resamples)
            flat = errors.reshape(len(errors), -1)
            resampled[:, columns] += (weights.T @ flat).reshape(config.resamples, -1, len(predictions))
            sums[columns] += errors.sum(axis=0, dtype=np.float64)
            # (R, all cells); a request has one surface, so these are all its rows
            of_request = counts @ parts_of[:, columns].T
            rows += of_request.sum(axis=0)
            squares += np.square(of_request).sum(axis=0)
    return (
        np.concatenate([sums, member @ sums]),
        np.concatenate([resampled, np.einsum("wc,scm->swm", member, resampled)], axis=1),
        np.divide(rows * rows, squares, out=np.zeros(len(rows)), where=squares > 0),
    )


def _blocks(
    parts: Sequence[SliceRows], predictions: Mapping[str, Scored], cuts: Sequence[Cut]
) -> Iterator[tuple[int, NDArray[np.float32], Floats]]:
    """Per block of a surface's requests: its first request, upper sums (R, C, M) and row counts (R, C)."""
    for start, stop in request_blocks([part.request for part in parts]):
        errors = np.zeros((stop - start, len(parts) * len(cuts), len(predictions)), np.float32)
        counts = np.zeros((stop - start, len(parts) * len(cuts)))
        for place, part in enumerate(parts):
            inner = part.within(start, stop)
            local, rows = inner.request - start, (inner.rows, part.task)
            values = [
                row_values(clip_log_p(own.log_p[rows]), own.kept[rows], inner.teacher)
                for own in predictions.values()
            ]
            for column, (metric, wanted) in enumerate(cuts, place * len(cuts)):
                if metric.source != part.source:
                    continue
                inside = slice(None) if wanted is None else inner.bucket == wanted
                rows_below = values[0][metric.below][inside]
                counts[:, column] = np.bincount(local[inside], rows_below, stop - start)
                for predictor, own in enumerate(values):
                    above = own[metric.above][inside]
                    errors[:, column, predictor] = np.bincount(local[inside], above, stop - start)
        yield start, errors, counts


def request_blocks(requests: Sequence[Integers]) -> Iterator[tuple[int, int]]:
    """Ranges of at most BLOCK requests that hold all of these; each array is ascending, and may be empty."""
    filled = [rows for rows in requests if len(rows)]
    if filled:
        first, end = min(int(rows[0]) for rows in filled), max(int(rows[-1]) for rows in filled) + 1
        yield from pairwise([*range(first, end, BLOCK), end])


def poisson_weights(seed: int, block: int, requests: int, resamples: int) -> NDArray[np.float32]:
    """How often each request counts in each resample: (requests, resamples); the same for the same seed and block.

    A block is named by its first request. Counts are looked up by 16 random bits each: a tenth of a true draw's time.
    """
    random = np.random.default_rng([seed, block])
    return _TABLE[random.integers(0, _LEVELS, (requests, resamples), dtype=np.uint16)]


def _table() -> NDArray[np.float32]:
    """Poisson(1) counts by level: count k fills its probability's share of the levels."""
    cumulative = np.cumsum([math.exp(-1.0) / math.factorial(k) for k in range(12)])
    return np.searchsorted(cumulative, (np.arange(_LEVELS) + 0.5) / _LEVELS).astype(np.float32)


_TABLE = _table()


def _finite(value: float) -> float | None:
    return float(value) + 0.0 if math.isfinite(value) else None  # never −0
