"""A day's replay: every number against a plain-Python oracle, intervals against explicit sums, and its edges."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from itertools import groupby

import numpy as np
import pytest

from mtmd.config import Declarations, EvaluationConfig
from mtmd.evaluate import bootstrap, replay
from mtmd.evaluate.bootstrap import poisson_weights
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.replay import DIFFERENCE, RANDOM, ReplayReport, replay_day

AS_OF = date(2026, 1, 21)
WEIGHTS = {"ctr": 1.0, "octr": 3.0}
CONFIG = EvaluationConfig(replay_top=2, replay_kept=(2, 3, 5), value_weights=WEIGHTS, resamples=200)
MakeDay = Callable[..., HeldOutDay]
Sums = dict[int, tuple[list[float], list[list[float]]]]  # request → whole, and taken by K


@pytest.fixture(scope="module")
def day(make_day: MakeDay) -> HeldOutDay:
    """Some 30 candidates of a request, with scores of one digit, so that many tie."""
    day = make_day(700, seed=3)
    teacher = np.maximum(day.teacher.round(1), np.float32(0.05))
    return replace(day, teacher=teacher, request=day.request // 4)


@pytest.fixture(scope="module")
def bid(day: HeldOutDay) -> np.ndarray:
    """One in ten is unknown."""
    rng = np.random.default_rng(1)
    return np.where(rng.random(len(day.domain)) < 0.1, np.nan, rng.integers(1, 5, len(day.domain)))


@pytest.fixture(scope="module")
def predictions(day: HeldOutDay) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    log = np.log(np.nan_to_num(day.teacher, nan=0.5))
    noise = rng.normal(size=(2, *log.shape)).round(1)  # predictors tie, too
    return {"mtmd": np.minimum(log + 0.3 * noise[0], -0.01), "per_slice": np.minimum(log + noise[1], -0.01)}


@pytest.fixture(scope="module")
def report(
    day: HeldOutDay, bid: np.ndarray, predictions: dict[str, np.ndarray], declarations: Declarations
) -> ReplayReport:
    return replay_day(AS_OF, declarations, day, bid, predictions, CONFIG, reference="per_slice")


def literal(day: HeldOutDay, bid: np.ndarray, log_p: np.ndarray, declarations: Declarations) -> Sums:
    """By request with a choice, what is taken without and with each cut, row by row: recall and value."""
    tasks, rows = [declarations.domains.task_names.index(name) for name in WEIGHTS], []
    for i in range(len(day.domain)):
        has = [task for task in tasks if not np.isnan(day.teacher[i, task])]
        if np.isnan(bid[i]) or not has:
            continue
        weights = dict(zip(tasks, WEIGHTS.values(), strict=True))
        value, guess = (
            bid[i] * sum(weights[task] * score(task) for task in has)
            for score in (lambda t, i=i: float(day.teacher[i, t]), lambda t, i=i: float(np.exp(log_p[i, t])))
        )
        rows.append((int(day.request[i]), value, guess, i))
    found: Sums = {}
    for request, group in groupby(rows, key=lambda row: row[0]):
        members = sorted(group, key=lambda row: (-row[1], row[3]))
        if len(members) > 1:
            chosen = sorted(members, key=lambda row: (-row[2], row[3]))
            edge = members[min(CONFIG.replay_top, len(members)) - 1][1]

            def brings(some: list, members: list = members, edge: float = edge) -> list[float]:
                taken = [row for row in members if row in some][: CONFIG.replay_top]
                return [float(sum(row[1] >= edge for row in taken)), sum(row[1] for row in taken)]

            found[request] = brings(members), [brings(chosen[:most]) for most in CONFIG.replay_kept]
    return found


def test_every_share_is_that_of_the_literal_definition(
    day: HeldOutDay,
    bid: np.ndarray,
    predictions: dict[str, np.ndarray],
    declarations: Declarations,
    report: ReplayReport,
) -> None:
    drawn = []
    for name, log_p in predictions.items():
        sums = literal(day, bid, log_p, declarations)
        whole = np.array([one for one, _ in sums.values()])
        taken = np.array([many for _, many in sums.values()])  # (G, J, 2)
        for j, kept in enumerate(report.kept):
            share = report.share(name, kept)
            own = [share.recall.value, share.value.value]
            assert own == pytest.approx(list(taken.sum(axis=0)[j] / whole.sum(axis=0)), abs=1e-6), (
                name,
                kept,
            )
        first = min(sums)
        counts = poisson_weights(CONFIG.bootstrap_seed, first, max(sums) - first + 1, CONFIG.resamples)
        weights = counts[np.array(list(sums)) - first]  # (G, S), the same for both predictors
        drawn.append((weights.T @ taken[:, 1]) / (weights.T @ whole))
    assert report.requests == len(sums)
    low, high = np.quantile(drawn[0], [0.025, 0.975], axis=0)
    share, other = report.share("mtmd", 3), report.share("per_slice", 3)
    assert [share.recall.low, share.value.low] == pytest.approx(list(low), abs=1e-5)
    assert [share.recall.high, share.value.high] == pytest.approx(list(high), abs=1e-5)
    low, high = np.quantile(drawn[0] - drawn[1], [0.025, 0.975], axis=0)
    difference = report.share(DIFFERENCE, 3)
    assert (difference.recall.low, difference.recall.high) == pytest.approx((low[0], high[0]), abs=1e-5)
    assert difference.recall.value == pytest.approx(share.recall.value - other.recall.value)


def test_it_says_how_many_requests_have_a_choice_and_are_cut(
    declarations: Declarations, make_day: MakeDay
) -> None:
    day = make_day(300)
    log = np.log(np.nan_to_num(day.teacher, nan=0.5))
    found = replay_day(AS_OF, declarations, day, np.ones(300), {"mtmd": log}, CONFIG, reference="mtmd")
    counts = np.bincount(day.request)
    assert (found.alone, found.requests) == ((counts == 1).sum(), (counts > 1).sum())
    assert found.cut == tuple((counts > kept).sum() for kept in CONFIG.replay_kept)
    nothing = np.full(300, np.nan)
    found = replay_day(AS_OF, declarations, day, nothing, {"mtmd": log}, CONFIG, reference="mtmd")
    assert (found.without_bid, found.requests, found.share("mtmd", 2).value) == (300, 0, None)


def test_requests_in_several_blocks_are_each_counted_once(
    day: HeldOutDay,
    bid: np.ndarray,
    predictions: dict[str, np.ndarray],
    declarations: Declarations,
    report: ReplayReport,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With every request once in each resample, the bounds are the share itself."""
    monkeypatch.setattr(bootstrap, "BLOCK", 7)
    monkeypatch.setattr(
        replay, "poisson_weights", lambda seed, block, rows, many: np.ones((rows, many), np.float32)
    )
    once = replay_day(AS_OF, declarations, day, bid, predictions, CONFIG, reference="per_slice")
    for own, expected in zip(once.shares, report.shares, strict=True):
        for name in ("recall", "value"):
            found, value = getattr(own, name), getattr(expected, name).value
            assert (found.low, found.value, found.high) == pytest.approx((value, value, value), abs=1e-5)


def test_a_perfect_predictor_loses_nothing_and_more_kept_at_random_is_better(
    make_day: MakeDay, declarations: Declarations
) -> None:
    day = make_day(6000, seed=5)
    log = np.log(np.nan_to_num(day.teacher.astype(np.float64), nan=0.5))
    found = replay_day(
        AS_OF, declarations, day, np.ones(6000), {"mtmd": log, "champion": log}, EvaluationConfig(resamples=100),
        reference="champion",
    )  # fmt: skip
    shares = [found.share(RANDOM, kept).recall.value for kept in found.kept]
    assert shares == sorted(shares)
    for kept in found.kept:
        own, difference = found.share("mtmd", kept), found.share(DIFFERENCE, kept)
        assert (own.recall.value, own.value.value) == pytest.approx((1.0, 1.0))
        assert (difference.recall.value, difference.recall.low, difference.recall.high) == (0.0, 0.0, 0.0)


def test_a_report_survives_json(report: ReplayReport) -> None:
    assert ReplayReport.model_validate_json(report.model_dump_json()) == report
