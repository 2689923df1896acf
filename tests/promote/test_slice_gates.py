"""The gate against a rival, proved on planted differences and on comparisons where there is none."""

from datetime import date

import numpy as np
import pytest

from mtmd.config import Declarations, EvaluationConfig, GatesConfig, Preset, Slice
from mtmd.evaluate.evaluation import evaluate_predictors
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.report import EvaluationReport
from mtmd.promote.slice_gates import against, holm

SMALL = 5  # related_pin × shopping
SHARES = np.array([0.34, 0.16, 0.16, 0.16, 0.15, 0.03])  # the demo's domains
CONFIG = EvaluationConfig(buckets=2, interval_buckets=0, resamples=300)
ROWS_PER_REQUEST = 3


@pytest.fixture(scope="module")
def declarations(tiny_preset: Preset) -> Declarations:
    return tiny_preset.declarations


def held_out(rng: np.random.Generator, requests: int) -> HeldOutDay:
    """Requests of three rows of one domain each, sizes as SHARES; octr is absent on shopping."""
    domain = np.repeat(np.arange(6), np.round(SHARES * requests).astype(int))
    rows = np.repeat(domain, ROWS_PER_REQUEST)
    teacher = rng.uniform(0.02, 0.4, (len(rows), 3)).astype(np.float32)
    teacher[rows % 2 == 1, 2] = np.nan
    return HeldOutDay(
        teacher=teacher,
        labels=np.full((len(rows), 3), -1, np.int8),
        impressed=np.zeros(len(rows), np.bool_),
        domain=rows,
        request=np.repeat(np.arange(len(domain)), ROWS_PER_REQUEST),
    )


def evaluation(day: HeldOutDay, declarations: Declarations, **errors: np.ndarray) -> EvaluationReport:
    log = np.log(np.nan_to_num(day.teacher, nan=0.1)).astype(np.float64)
    given = {name: np.minimum(log + error, -1e-3) for name, error in errors.items()}
    return evaluate_predictors(date(2026, 1, 5), declarations, day, given, CONFIG)


def test_it_blocks_a_small_domain_that_is_three_percent_worse_and_names_it(
    declarations: Declarations,
) -> None:
    """Better by 3 % everywhere else, so every task is better over all rows."""
    rng = np.random.default_rng(1)
    day = held_out(rng, 12_000)
    champion = -np.abs(0.35 * rng.standard_normal(day.teacher.shape))
    scale = np.where(day.domain == SMALL, 1.03, 0.97)[:, None]
    jitter = 0.05 * rng.standard_normal(day.teacher.shape)
    report = evaluation(day, declarations, mtmd=champion * scale + jitter * champion, champion=champion)
    result = against("champion", "champion", 0.01, report, GatesConfig())
    assert not result.passed
    blocked = {(one.surface, one.product, one.task) for one in result.slices if one.blocks}
    assert blocked == {("related_pin", "shopping", "ctr"), ("related_pin", "shopping", "gctr")}
    assert result.detail.startswith(
        "2 of 18 slices and tasks are worse than the champion by more than 1%: related_pin × shopping × ctr:"
    )
    assert {one.decision for one in result.slices if not one.blocks} == {"better"}


def test_equals_are_blocked_at_most_at_the_nominal_rate(declarations: Declarations) -> None:
    """200 comparisons of two models whose errors have one distribution, correlated within rows and requests.

    Each is judged at both tolerances.
    """
    most = {0.0: 0.05 + 2 * 0.0154, 0.01: 0.05}
    blocked = dict.fromkeys(most, 0)
    for seed in range(200):
        rng = np.random.default_rng(seed)
        day = held_out(rng, 4000)
        common = rng.standard_normal(day.teacher.shape)
        request = rng.standard_normal((day.request[-1] + 1, 3))
        errors = {
            name: -0.2 * np.abs(common + request[day.request] + rng.standard_normal(day.teacher.shape))
            for name in ("mtmd", "champion")
        }
        report = evaluation(day, declarations, **errors)
        for tolerance in most:
            result = against("champion", "champion", tolerance, report, GatesConfig())
            blocked[tolerance] += not result.passed
            assert sum(one.judged for one in result.slices) == 18
    assert {tolerance: blocked[tolerance] / 200 <= most[tolerance] for tolerance in most} == dict.fromkeys(
        most, True
    )


def test_a_worse_whole_blocks_though_no_slice_alone_shows_it(declarations: Declarations) -> None:
    rng = np.random.default_rng(4)
    day = held_out(rng, 4000)
    champion = 0.3 * rng.standard_normal(day.teacher.shape)
    own = np.where(
        rng.random(day.teacher.shape) < 0.5, champion, 0.31 * rng.standard_normal(day.teacher.shape)
    )
    worse = own + 0.08 * rng.standard_normal(day.teacher.shape)
    result = against(
        "champion",
        "champion",
        0.0,
        evaluation(day, declarations, mtmd=worse, champion=champion),
        GatesConfig(),
    )
    blocked = [Slice(one.surface, one.product, one.task) for one in result.slices if one.blocks]
    assert Slice("all", "all", "ctr") in blocked
    assert Slice("related_pin", "shopping", "ctr") not in blocked


def test_holm_by_hand() -> None:
    """0.01·4, 0.02·3, then 0.03·2 = 0.06 (not below the one before), and 0.5."""
    assert holm([0.03, 0.5, 0.01, 0.02]) == pytest.approx([0.06, 0.5, 0.04, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
