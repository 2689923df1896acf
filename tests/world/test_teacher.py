import numpy as np
import pytest

from mtmd.world import WorldConfig
from mtmd.world.day import teacher_priors
from mtmd.world.teacher import Prior, measure_prior, noise_scale, score, sigmoid
from tests.world.days import Pairs, log_odds, pairs

PRIOR = Prior(np.array([-3.0, -1.0]), np.array([2.0, 1.0]))
TASKS = pytest.mark.parametrize("task", [0, 1, 2], ids=["ctr", "gctr", "octr"])


def test_the_prior_is_mean_and_variance_by_domain() -> None:
    prior = measure_prior(np.array([1.0, 5.0, 3.0, 7.0]), np.array([0, 1, 0, 1]))
    np.testing.assert_array_equal(prior.mean, [2.0, 6.0])
    np.testing.assert_array_equal(prior.variance, [1.0, 1.0])


def test_without_noise_the_score_is_the_truth() -> None:
    odds = np.array([-4.0, -1.0, 2.0])
    scores = score(np.random.default_rng(0), odds, np.zeros(3), np.array([0, 1, 0]), PRIOR)
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-odds)), rtol=1e-12)


def test_a_score_by_hand() -> None:
    z = np.random.default_rng(7).standard_normal()
    shrink = 2.0 / (2.0 + 0.25)
    mean = -3.0 + shrink * (-2.0 + 0.5 * z + 3.0)
    want = 1 / (1 + np.exp(-mean / np.sqrt(1 + np.pi / 8 * shrink * 0.25)))
    (got,) = score(np.random.default_rng(7), np.array([-2.0]), np.array([0.5]), np.array([0]), PRIOR)
    assert got == pytest.approx(want, rel=1e-12)


def test_a_score_does_not_depend_on_the_rows_beside_it() -> None:
    odds, sigma, domain = np.array([-2.0, -1.0, 0.5]), np.full(3, 0.2), np.array([0, 1, 1])
    together = score(np.random.default_rng(3), odds, sigma, domain, PRIOR)
    alone = score(np.random.default_rng(3), odds[:1], sigma[:1], domain[:1], PRIOR)
    assert together[0] == alone[0]


def test_the_noise_is_the_same_where_a_chunk_has_one_row_of_a_domain() -> None:
    errors = []
    for size in (600, 1):
        seen = pairs(WorldConfig(requests_per_day=600, candidates_per_request=2, chunk_requests=size), 1)
        errors.append(log_odds(seen.scores[:, 0]) - log_odds(seen.true[:, 0]))
    assert errors[1].std() == pytest.approx(errors[0].std(), rel=0.15)
    assert abs(errors[1].mean()) < 0.03


def test_priors_are_of_every_domain_however_rare() -> None:
    config = WorldConfig(surface_shares=(0.999, 0.001, 0.0), shopping_shares=(0.0, 0.001, 1.0))
    for prior in teacher_priors(config):
        assert prior.mean.shape == (6,)
        assert (prior.variance > 0.3).all()


def test_noise_shrinks_as_an_ad_is_shown() -> None:
    scale = noise_scale(np.array([0.0, 10.0, 1e3, 1e6]), np.zeros(4))
    assert scale[0] == pytest.approx(0.24)
    assert (np.diff(scale) < 0).all()
    assert scale[-1] > 0.08


def test_sigmoid_stays_inside_the_unit_interval_in_float32() -> None:
    ends = sigmoid(np.array([-60.0, 60.0])).astype(np.float32)
    assert (ends > 0).all()
    assert (ends < 1).all()


@TASKS
def test_scores_are_calibrated_overall_and_by_domain(demo: Pairs, task: int) -> None:
    for domain in range(6):
        rows = (demo.domain == domain) & ~np.isnan(demo.true[:, task])
        if rows.any():
            assert demo.scores[rows, task].mean() == pytest.approx(demo.true[rows, task].mean(), rel=0.02)
    rows = ~np.isnan(demo.true[:, task])
    assert demo.scores[rows, task].mean() == pytest.approx(demo.true[rows, task].mean(), rel=0.005)


@TASKS
def test_scores_are_calibrated_in_every_decile_of_the_score(demo: Pairs, task: int) -> None:
    rows = ~np.isnan(demo.true[:, task])
    scores, true = demo.scores[rows, task], demo.true[rows, task]
    for decile in np.array_split(np.argsort(scores), 10):
        assert scores[decile].mean() == pytest.approx(true[decile].mean(), rel=0.035)


def test_scores_are_noisier_for_rarely_shown_ads_and_in_the_smallest_domain(demo: Pairs) -> None:
    error = log_odds(demo.scores[:, 0]) - log_odds(demo.true[:, 0])
    thirds = np.array_split(np.argsort(demo.ad_impressions, kind="stable"), 3)
    rare, middle, often = (error[rows].std() for rows in thirds)
    assert rare > 1.05 * middle > 1.05 * often
    assert error[demo.domain == 3].std() > 1.4 * error[demo.domain == 0].std()


def test_scores_are_close_to_the_truth_but_are_not_it(demo: Pairs) -> None:
    error = np.abs(log_odds(demo.scores[:, 0]) - log_odds(demo.true[:, 0]))
    assert 0.05 < error.mean() < 0.2
    assert (demo.scores[:, 0].astype(np.float32) == demo.true[:, 0].astype(np.float32)).mean() < 1e-4
