"""Scoring a day with a model, and the constant predictor: the median of the window, slice by slice."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mtmd.config import Declarations, Preset
from mtmd.errors import EvaluationError, LogsError
from mtmd.evaluate.predictors import constant_scores, score_day, window_medians
from mtmd.model.ranker import build_model


def test_a_real_model_scores_alike_in_any_batch_size_and_stays_as_it_was(
    tiny_preset: Preset, make_shard
) -> None:
    shard, model = make_shard(requests=60), build_model("mtmd", tiny_preset)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    whole, pieces = (score_day(model, shard, tiny_preset.declarations, batch_requests=n) for n in (60, 7))
    assert (whole.dtype, len(whole)) == (np.float32, shard.candidates)
    assert np.abs(whole - pieces).max() < 1e-5
    assert (whole < 0).all()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_constant_is_the_median_of_all_days_of_the_window(declarations: Declarations, make_shard) -> None:
    shards = [make_shard(requests=80, seed=day, day=day) for day in (1, 2, 3)]
    medians = window_medians(shards, declarations)
    assert medians.shape == (6, 3)
    for domain, task in zip(*np.nonzero(declarations.domains.task_mask), strict=True):
        scores = np.concatenate([one.teacher[one.domain(2) == domain, task].numpy() for one in shards])
        exact = np.nanmedian(np.log(scores.astype(np.float64)))
        assert medians[domain, task] == pytest.approx(exact, abs=0.00051)


def test_a_domain_without_scores_takes_the_median_of_all_and_a_task_without_any_is_an_error(
    declarations: Declarations, make_shard
) -> None:
    shard = make_shard(requests=100)
    teacher = shard.teacher.clone()
    teacher[shard.domain(2) == 2] = torch.nan
    everywhere = np.nanmedian(np.log(teacher[:, 0].numpy().astype(np.float64)))
    medians = window_medians([replace(shard, teacher=teacher)], declarations)
    assert medians[2, 0] == pytest.approx(everywhere, abs=0.00051)
    teacher[:, 2] = torch.nan
    with pytest.raises(EvaluationError, match=r"tasks \['octr'\] have no teacher score in the window"):
        window_medians([replace(shard, teacher=teacher)], declarations)


def test_of_actions_the_constant_is_their_rate_and_a_domain_with_few_leans_on_all(
    acting: Declarations, make_day, make_shard
) -> None:
    """One action of two shown ads in domain 2, four of 40 in domain 4: with 20 rows of 5 / 42, (1 + 2.38) / 22."""
    shard, teacher = make_shard(requests=100), torch.full((300, 3), torch.nan)
    places = [torch.nonzero(shard.domain(2) == domain).squeeze(1) for domain in (2, 4)]
    teacher[places[0][:2], :2] = torch.tensor([[1.0], [0.0]])
    teacher[places[1][:40], :2] = torch.tensor([1.0] * 4 + [0.0] * 36)[:, None]
    teacher[:, 2] = shard.teacher[:, 2]
    day = make_day(200)
    found = constant_scores([replace(shard, teacher=teacher)], acting, day)
    assert np.exp(found[day.domain == 2, 1]) == pytest.approx((1 + 20 * 5 / 42) / 22, rel=1e-5)
    teacher[teacher[:, 1] == 1, 1] = 0
    with pytest.raises(
        LogsError, match=r"'gctr' learns from actions, .* 'good_clicked' is true in 0 of 42 rows"
    ):
        constant_scores([replace(shard, teacher=teacher)], acting, day)
