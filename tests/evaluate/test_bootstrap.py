"""The paired bootstrap: against an explicit resampling, and against what is known in closed form."""

import math
from collections.abc import Callable
from datetime import date

import numpy as np
import pytest

from mtmd.config import Declarations, EvaluationConfig, Slice
from mtmd.evaluate.evaluation import evaluate_predictors
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.report import ALL, EvaluationReport

SLICE = Slice("search", "standard", "ctr")
DOMAIN = 2  # of SLICE
TOTAL = Slice(ALL, ALL, "ctr")
CONFIG = EvaluationConfig(buckets=5, interval_buckets=2, resamples=2000)
MakeDay = Callable[..., HeldOutDay]


def predictions(day: HeldOutDay, **noise: float) -> dict[str, np.ndarray]:
    """The teacher's log scores with normal noise of a given spread, by predictor."""
    log = np.log(np.where(np.isnan(day.teacher), 0.1, day.teacher)).astype(np.float64)
    return {
        name: np.minimum(log + spread * np.random.default_rng(i + 7).standard_normal(log.shape), -1e-3)
        for i, (name, spread) in enumerate(noise.items())
    }


def evaluated(
    day: HeldOutDay, declarations: Declarations, config: EvaluationConfig = CONFIG, **noise: float
) -> EvaluationReport:
    return evaluate_predictors(date(2026, 1, 5), declarations, day, predictions(day, **noise), config)


def test_interval_agrees_with_drawing_requests_with_replacement(
    make_day: MakeDay, declarations: Declarations
) -> None:
    """An independent implementation: a loop over multinomial draws of requests, row by row."""
    day = make_day(4000)
    found = evaluated(day, declarations, mtmd=0.35, per_slice=0.4).compared("per_slice", SLICE)
    rows = np.flatnonzero(day.domain == DOMAIN)
    log = np.log(day.teacher[rows, 0].astype(np.float64))
    own, other = (np.abs(p[rows, 0] - log) for p in predictions(day, mtmd=0.35, per_slice=0.4).values())
    members = [np.flatnonzero(day.request[rows] == r) for r in np.unique(day.request[rows])]
    rng, ratios = np.random.default_rng(5), []
    for _ in range(2000):
        chosen = np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
        ratios.append(math.log(own[chosen].sum() / other[chosen].sum()))
    low, high = -np.expm1(np.quantile(ratios, [0.975, 0.025]))
    assert found.standard_error == pytest.approx(np.std(ratios), rel=0.06)
    assert found.low == pytest.approx(low, abs=0.006)
    assert found.high == pytest.approx(high, abs=0.006)


def test_recalls_are_compared_on_the_same_requests(make_day: MakeDay, declarations: Declarations) -> None:
    """An independent implementation: the hits of each request, and draws of requests with replacement."""
    day = make_day(6000, only=(2, 3))
    given = predictions(day, mtmd=0.3, champion=0.4)
    pair = evaluated(day, declarations, CONFIG.model_copy(update={"winners": 2, "kept": 4}), mtmd=0.3,
                     champion=0.4).compared("champion", TOTAL, metric="recall")  # fmt: skip
    hits = []
    for request in np.unique(day.request):
        rows = np.flatnonzero(day.request == request)
        if len(rows) > 4:
            top = set(np.argsort(-day.teacher[rows, 0])[:2].tolist())
            hits.append([len(top & set(np.argsort(-p[rows, 0])[:4].tolist())) for p in given.values()])
    counts, rng = np.array(hits), np.random.default_rng(5)
    drawn = [counts[rng.integers(0, len(counts), len(counts))].sum(axis=0) for _ in range(2000)]
    ratios = [math.log(other / own) for own, other in drawn]
    assert pair.log_ratio == pytest.approx(math.log(counts[:, 1].sum() / counts[:, 0].sum()), abs=1e-6)
    assert pair.standard_error == pytest.approx(np.std(ratios), rel=0.06)
    assert pair.requests == pytest.approx(len(counts))
    assert pair.improvement == pytest.approx(1 - counts[:, 1].sum() / counts[:, 0].sum(), abs=1e-6)


def unseen(teacher: np.ndarray, domain: np.ndarray, request: np.ndarray) -> HeldOutDay:
    """A day on which nothing was shown."""
    labels, impressed = np.full(teacher.shape, -1, np.int8), np.zeros(len(teacher), np.bool_)
    return HeldOutDay(teacher.astype(np.float32), labels, impressed, domain, request)


def test_requests_that_repeat_their_rows_widen_the_interval(declarations: Declarations) -> None:
    """Eight equal rows of a request say no more than one: the interval must be that of 400 rows, not 3,200."""
    spreads = []
    for copies in (1, 8):
        rng = np.random.default_rng(3)
        teacher = np.repeat(rng.uniform(0.05, 0.5, (400, 3)), copies, axis=0)
        request = np.repeat(np.arange(400), copies)
        given = {
            name: np.minimum(np.log(teacher) + 0.3 * rng.standard_normal((400, 3))[request], -1e-3)
            for name in ("mtmd", "per_slice")
        }
        held = unseen(teacher, np.full(len(teacher), DOMAIN), request)
        report = evaluate_predictors(date(2026, 1, 5), declarations, held, given, CONFIG)
        pair = report.compared("per_slice", SLICE)
        assert pair.requests == pytest.approx(400)
        spreads.append(pair.standard_error)
    assert spreads[0] == pytest.approx(spreads[1], rel=1e-6)


def test_a_request_with_ads_of_both_products_is_one_request_of_the_whole(declarations: Declarations) -> None:
    """Rows 3 + 1, 2 + 2 and 0 + 4: of equal size together, so 3; by slices 25 / 13 and 49 / 21."""
    request = np.repeat([0, 1, 2], 4)
    domain = np.array([DOMAIN] * 3 + [DOMAIN + 1] + [DOMAIN] * 2 + [DOMAIN + 1] * 6)
    held = unseen(np.random.default_rng(0).uniform(0.1, 0.5, (12, 3)), domain, request)
    report = evaluated(held, declarations, mtmd=0.3, per_slice=0.4)
    assert report.compared("per_slice", SLICE).requests == pytest.approx(25 / 13)
    assert report.compared("per_slice", Slice("search", "shopping", "ctr")).requests == pytest.approx(49 / 21)
    assert report.compared("per_slice", TOTAL).requests == pytest.approx(3)
    tasks = np.array([3 * 3 + 1 * 2, 2 * 3 + 2 * 2, 4 * 2])  # octr has standard ads only
    everything = report.compared("per_slice", Slice(ALL, ALL, ALL)).requests
    assert everything == pytest.approx(tasks.sum() ** 2 / (tasks**2).sum())
