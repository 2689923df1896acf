"""Figures of a day against the core's evaluation; intervals over days against formulas and against known truths."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import torch

from mtmd.config import Declarations, EvaluationConfig
from mtmd.errors import EvaluationError
from mtmd.evaluate.evaluation import evaluate_predictors
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.report import EVERYTHING, EvaluationReport
from mtmd.extract.shards import Shard
from mtmd.extras.backtest.contestants import require_same
from mtmd.extras.backtest.measures import (
    AUC,
    LOG_LOSS,
    RECALL,
    ROWS,
    SLICES,
    WINNER_KL,
    DayFigures,
    OverDays,
    days_to_decide,
    differences,
    figures_of_day,
    figures_of_days,
    improvement,
    over_days,
)
from mtmd.store.files import write_json
from tests.evaluate.conftest import declarations, make_day, make_shard

__all__ = ["declarations", "make_day", "make_shard"]
CONFIG = EvaluationConfig(buckets=5, interval_buckets=2, resamples=1000, winners=2, kept=4)
SPREADS = {"mtmd": 0.4, "a": 0.5, "b": 0.3}


def noisy(day: HeldOutDay, spread: float) -> np.ndarray:
    """The teacher's log scores with normal noise."""
    log = np.log(np.where(np.isnan(day.teacher), 0.1, day.teacher)).astype(np.float64)
    noise = np.random.default_rng(int(10 * spread)).standard_normal(log.shape)
    return np.minimum(log + spread * noise, -1e-3)


@pytest.fixture(scope="module")
def day(make_day: Callable[..., HeldOutDay]) -> HeldOutDay:
    return make_day(6000)


@pytest.fixture(scope="module")
def report(day: HeldOutDay, declarations: Declarations) -> EvaluationReport:
    found = {name: noisy(day, spread) for name, spread in SPREADS.items()}
    return evaluate_predictors(date(2026, 1, 5), declarations, day, found, CONFIG)


@pytest.fixture(scope="module")
def figures(day: HeldOutDay, declarations: Declarations) -> dict[str, np.ndarray]:
    """The same predictors: one contestant of two seeds, and one of a single seed."""
    models = [[noisy(day, SPREADS["a"]), noisy(day, SPREADS["b"])], [noisy(day, SPREADS["mtmd"])]]
    return figures_of_day(["two", "one"], models, day, declarations, CONFIG)


@pytest.mark.parametrize(("place", "names"), [(0, ("a", "b")), (1, ("mtmd",))])
def test_figures_are_those_of_the_core_as_means_over_seeds(
    report: EvaluationReport, figures: dict[str, np.ndarray], place: int, names: tuple[str, ...]
) -> None:
    own = {name: float(values[0, place]) for name, values in figures.items()}

    def cells(metric: str, bucket: int | None = None, *, slices: bool = False) -> np.ndarray:
        places = report.slices if slices else report.aggregates
        return np.array(
            [[getattr(report.get(name, where, bucket), metric) for where in places] for name in names]
        )

    for n, where in enumerate(report.aggregates):
        assert own[f"LogMAE {where.task}"] == pytest.approx(cells("logmae")[:, n].mean())
        assert own[f"{AUC} {where.task}"] == pytest.approx(cells("auc")[:, n].mean())
    assert own[AUC] == pytest.approx(cells("auc").mean())
    assert own[SLICES] == pytest.approx(cells("logmae", slices=True).mean())
    for figure, metric, count, bucket in (
        (ROWS, "logmae", "rows", None),
        ("bucket 0", "logmae", "rows", 0),
        ("bucket 1", "logmae", "rows", 1),
        (LOG_LOSS, "log_loss", "impressions", None),
        (RECALL, "recall", "contested", None),
    ):
        weights = cells(count, bucket)
        assert own[figure] == pytest.approx(np.average(cells(metric, bucket), weights=weights))


def test_a_day_varies_as_the_cores_bootstrap_says(
    report: EvaluationReport, day: HeldOutDay, declarations: Declarations
) -> None:
    models = [[noisy(day, SPREADS[name])] for name in ("a", "mtmd")]
    found = figures_of_day(["a", "mtmd"], models, day, declarations, CONFIG)
    pair = report.compared("a", EVERYTHING)
    over = over_days([differences(ROWS, found[ROWS])[:, 1]], 0.95, 0)
    assert over.mean == pytest.approx(pair.log_ratio)
    assert over.reach == pytest.approx(1.96 * (pair.standard_error or 0.0), rel=0.1)
    gain = improvement(ROWS, over)
    assert (gain.value, gain.low, gain.high) == pytest.approx(
        (pair.improvement, pair.low, pair.high), abs=0.005
    )
    kl = report.compared("a", EVERYTHING, metric="winner_kl")
    assert differences(WINNER_KL, found[WINNER_KL])[0, 1] == pytest.approx(kl.log_ratio)
    for where in report.aggregates:
        error = report.get("mtmd", where).errors["auc"]
        assert found[f"{AUC} {where.task}"][1:, 1].std() == pytest.approx(error, rel=0.1)


def test_scores_that_are_none_name_the_contestant(day: HeldOutDay, declarations: Declarations) -> None:
    models = [[noisy(day, 0.4)], [np.full_like(noisy(day, 0.4), np.nan)]]
    with pytest.raises(EvaluationError, match=r"'small' on .* not finite"):
        figures_of_day(["base", "small"], models, day, declarations, CONFIG)


def test_a_day_without_any_action_is_named(tmp_path: Path) -> None:
    write_json(tmp_path / "figures.json", [ROWS])
    np.save(tmp_path / "resamples.npy", np.full((1, 3, 2), np.nan))
    day = DayFigures(day=date(2026, 1, 5), path=str(tmp_path), rows=9, seconds=(1.0, 1.0))
    with pytest.raises(EvaluationError, match=r"on 2026-01-05 no action happened .* \[left_out\]"):
        figures_of_days([day])


def test_contestants_that_read_other_rows_are_refused(make_shard: Callable[..., Shard]) -> None:
    shard = make_shard()
    require_same("same", replace(shard, query=shard.item), shard)
    with pytest.raises(EvaluationError, match=r"'halved' has another teacher on 2026-01-\d\d than the first"):
        require_same("halved", replace(shard, teacher=shard.teacher / 2), shard)
    with pytest.raises(EvaluationError, match="another request_row"):
        require_same("short", replace(shard, request_row=torch.arange(3)), shard)


def drawn(random: np.random.Generator, days: int, between: float, within: float) -> list[np.ndarray]:
    """Days of a world where the truth is 0: effects of days, requests in them, and each day's ordinary bootstrap."""
    requests, found = 60, []
    for effect in between * random.standard_normal(days):
        own = effect + within * np.sqrt(requests) * random.standard_normal(requests)
        again = own[random.integers(0, requests, (200, requests))].mean(axis=1)
        found.append(np.concatenate([[own.mean()], again]))
    return found


@pytest.mark.parametrize(
    ("days", "between", "within"), [(1, 0, 1), (2, 1, 0.2), (3, 1, 1), (3, 1, 0.1), (7, 1, 0.5), (5, 0, 1)]
)
def test_an_interval_over_days_covers_the_truth(days: int, between: float, within: float) -> None:
    """95 of 100 times where days differ, with two too; more often where mostly requests do. One day: its own."""
    random = np.random.default_rng(7)
    pairs = [over_days(drawn(random, days, between, within), 0.95, n) for n in range(600)]
    covered = np.mean([not pair.is_sure for pair in pairs])
    assert 0.92 <= covered <= (0.97 if within < between else 0.99)


def test_days_without_noise_have_students_interval_and_days_alike_that_of_their_requests() -> None:
    """4.303 is Student's quantile with two degrees of freedom; 0.1 is the deviation of the days."""
    sharp = [np.full(4001, value) for value in (0.1, 0.2, 0.3)]
    assert over_days(sharp, 0.95, 0) == pytest.approx((0.2, 4.303 * 0.1 / np.sqrt(3), 0.1), rel=0.05)
    random = np.random.default_rng(1)
    alike = [np.concatenate([[0.2], 0.2 + 0.3 * random.standard_normal(4000)]) for _ in range(3)]
    assert over_days(alike, 0.95, 0) == pytest.approx((0.2, 1.96 * 0.3 / np.sqrt(3), 0.3), rel=0.05)


def test_how_many_days_would_decide_is_known_from_their_spread() -> None:
    """By hand: 2.110 · 2 / √18 = 0.995 is below 1, and 2.120 · 2 / √17 = 1.028 is not."""
    assert days_to_decide(OverDays(1.0, 9.0, 2.0), 0.95) == 18
    assert days_to_decide(OverDays(-1.0, 9.0, 2.0), 0.95) == 18
    assert days_to_decide(OverDays(0.001, 9.0, 2.0), 0.95) is None
    assert days_to_decide(OverDays(0.0, 0.0, 0.0), 0.95) is None


def test_one_request_decides_nothing() -> None:
    assert not over_days([np.array([0.8, *[0.8] * 9, *[np.nan] * 5])], 0.95, 0).is_sure
