"""The constant predictor: the median of the window, slice by slice."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mtmd.config import Declarations
from mtmd.errors import EvaluationError
from mtmd.evaluate.predictors import window_medians
from mtmd.extract.shards import Shard


def slice_scores(shards: list[Shard], domain: int, task: int) -> np.ndarray:
    scores = np.concatenate([s.teacher[s.domain(2) == domain, task].numpy() for s in shards])
    return scores[~np.isnan(scores)].astype(np.float64)


def test_it_is_the_median_of_all_days_of_the_window(declarations: Declarations, make_shard) -> None:
    shards = [make_shard(requests=80, seed=day, day=day) for day in (1, 2, 3)]
    medians = window_medians(shards, declarations)
    assert medians.shape == (6, 3)
    for domain, task in zip(*np.nonzero(declarations.domains.task_mask), strict=True):
        exact = np.median(np.log(slice_scores(shards, domain, task)))
        assert medians[domain, task] == pytest.approx(exact, abs=0.00051)


def test_a_domain_without_scores_takes_the_median_of_all_domains(
    declarations: Declarations, make_shard
) -> None:
    shard = make_shard(requests=100)
    teacher = shard.teacher.clone()
    teacher[shard.domain(2) == 2] = torch.nan
    shard = replace(shard, teacher=teacher)
    ctr = teacher[:, 0].numpy()
    everywhere = np.median(np.log(ctr[~np.isnan(ctr)].astype(np.float64)))
    assert window_medians([shard], declarations)[2, 0] == pytest.approx(everywhere, abs=0.00051)


def test_a_task_without_any_score_is_an_error(declarations: Declarations, make_shard) -> None:
    shard = make_shard()
    teacher = shard.teacher.clone()
    teacher[:, 2] = torch.nan
    with pytest.raises(EvaluationError, match=r"tasks \['octr'\] have no teacher score in the window"):
        window_medians([replace(shard, teacher=teacher)], declarations)
