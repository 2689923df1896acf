"""Where the candidate stands, by hand: predictors that are off by a constant, in some rank buckets by another."""

import numpy as np
import pytest

from mtmd.config import Preset
from mtmd.evaluate.evaluation import evaluate_predictors
from mtmd.evaluate.held_out import HeldOutDay, cut
from mtmd.evaluate.report import EvaluationReport
from mtmd.report.standing import standing, top_standing, top_words
from tests.report.page.conftest import AS_OF, changed, day, evaluate, off_by, report

__all__ = ["day", "report"]


def by_bucket(day: HeldOutDay, preset: Preset, *, tasks: tuple[int, ...] = (0, 1, 2)) -> np.ndarray:
    """MTMD is off by 0.1 in bucket 0 of these tasks and by 0.05 in the other rows."""
    error = np.full(day.teacher.shape, 0.05)
    for part in cut(day, preset.declarations, preset.evaluation.buckets):
        if part.task in tasks:
            error[part.rows[part.bucket == 0], part.task] = 0.1
    return np.asarray(off_by(day, 0.0) - error)


def against(day: HeldOutDay, preset: Preset, own: np.ndarray, rival: float) -> EvaluationReport:
    predictions = {"mtmd": own, "pooled": off_by(day, rival)}
    return evaluate_predictors(AS_OF, preset.declarations, day, predictions, preset.evaluation)


def test_what_another_seed_would_change_is_a_tie_however_narrow_its_interval(
    day: HeldOutDay, tiny_preset: Preset
) -> None:
    """4.8 % ahead, 5.2 % ahead, 4.9 % behind, in every row."""
    found = evaluate(day, tiny_preset, mtmd=0.1, pooled=[0.1 / 0.952, 0.1 / 0.948, 0.1 / 1.049])
    assert standing(found, "pooled").words == (
        "ahead on gctr, tied on ctr and octr (another seed may change as much)"
    )


def test_without_a_number_it_is_a_tie(report: EvaluationReport) -> None:
    blank = [c.model_copy(update={"low": None, "high": None}) for c in report.comparisons]
    found = standing(changed(report, comparisons=tuple(blank)), "pooled")
    assert (found.ahead, found.tied, found.behind) == ((), ("ctr", "gctr", "octr"), ())


@pytest.mark.parametrize(
    ("rival", "words"),
    [
        (0.2, "ahead in both"),
        (0.1, "no clear difference in 0, ahead in 1"),
        (0.07, "behind in 0, ahead in 1"),
        (0.05, "behind in 0, no clear difference in 1"),
        (0.04, "behind in both"),
    ],
)
def test_a_bucket_is_ahead_behind_or_not_shown_over_all_tasks(
    day: HeldOutDay, tiny_preset: Preset, rival: float, words: str
) -> None:
    """MTMD is off by 0.1 in bucket 0 and by 0.05 elsewhere."""
    found = against(day, tiny_preset, by_bucket(day, tiny_preset), rival)
    assert top_standing(found, "pooled") == words


def test_a_task_that_is_behind_in_a_bucket_is_named_though_all_together_are_ahead(
    day: HeldOutDay, tiny_preset: Preset
) -> None:
    """In bucket 0: ctr and gctr at 0.05, octr at 0.1, the rival at 0.09."""
    found = against(day, tiny_preset, by_bucket(day, tiny_preset, tasks=(2,)), 0.09)
    assert top_standing(found, "pooled") == "ahead in 0 (behind on octr), ahead in 1"


def test_one_sentence_names_every_rival(report: EvaluationReport) -> None:
    assert top_words(report) == (
        "MTMD in rank buckets 0 and 1, where ads are chosen, over all tasks: ahead in both against the per-slice "
        "baselines, pooled two-tower and constant; behind in both against the champion."
    )


def test_without_intervals_of_the_top_buckets_nothing_is_claimed(
    day: HeldOutDay, tiny_preset: Preset
) -> None:
    config = tiny_preset.evaluation.model_copy(update={"interval_buckets": 1})
    found = evaluate(day, tiny_preset.model_copy(update={"evaluation": config}), mtmd=0.1, pooled=0.2)
    assert "rank buckets 0 and 1 have no intervals; set evaluation.interval_buckets to 2" in top_words(found)
