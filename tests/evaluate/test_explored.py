"""Errors by how a candidate came to be scored, by hand; and which rows the other tables are about."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from mtmd.config import Declarations, EvaluationConfig
from mtmd.evaluate.evaluation import evaluate_predictors
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.report import EvaluationReport

DAY = date(2026, 1, 5)
CONFIG = EvaluationConfig()
OFF = np.array([[0.5], [0.25], [0.125], [0.75]])  # of each row, in ln p̂


@pytest.fixture
def day(declarations: Declarations) -> HeldOutDay:
    """Four rows in two slices of ctr, the first and the third explored; gctr is scored in two rows, octr in none."""
    teacher = np.full((4, 3), np.nan, np.float32)
    teacher[:, 0], teacher[:2, 1] = [0.2, 0.1, 0.4, 0.1], [0.1, 0.05]
    return HeldOutDay(
        teacher=teacher,
        labels=np.full((4, 3), -1, np.int8),
        impressed=np.zeros(4, np.bool_),
        domain=np.array([0, 0, 2, 2]),
        request=np.arange(4),
        explored=np.array([True, False, True, False]),
    )


def evaluated(
    day: HeldOutDay, declarations: Declarations, config: EvaluationConfig = CONFIG
) -> EvaluationReport:
    log_p = np.log(np.nan_to_num(day.teacher, nan=0.5)) - OFF
    return evaluate_predictors(DAY, declarations, day, {"mtmd": log_p}, config)


def test_errors_and_levels_are_means_over_a_tasks_explored_and_chosen_rows(
    day: HeldOutDay, declarations: Declarations
) -> None:
    report = evaluated(day, declarations)
    ctr, gctr, octr = report.explored
    assert (ctr.task, ctr.rows, ctr.chosen) == ("ctr", 2, 2)
    assert (ctr.logmae["mtmd"], ctr.logmae_of_chosen["mtmd"]) == pytest.approx((0.3125, 0.5))
    level = (0.2 * np.exp(-0.5) + 0.4 * np.exp(-0.125)) / 0.6
    of_chosen = (np.exp(-0.25) + np.exp(-0.75)) / 2
    assert (ctr.calibration["mtmd"], ctr.calibration_of_chosen["mtmd"]) == pytest.approx((level, of_chosen))
    assert (gctr.rows, gctr.chosen, gctr.logmae["mtmd"]) == (1, 1, pytest.approx(0.5))
    assert (octr.rows, octr.chosen, octr.logmae, octr.calibration_of_chosen) == (
        0,
        0,
        {"mtmd": None},
        {"mtmd": None},
    )
    assert EvaluationReport.model_validate_json(report.model_dump_json()) == report


def test_a_days_explored_rows_come_from_its_shard(declarations: Declarations, make_shard) -> None:
    shard = make_shard(requests=4)
    assert HeldOutDay.of(shard, declarations).explored is None
    marked = shard.explored.clone()
    marked[5] = 1
    found = HeldOutDay.of(replace(shard, explored=marked), declarations).explored
    assert found is not None
    assert np.flatnonzero(found).tolist() == [5]
