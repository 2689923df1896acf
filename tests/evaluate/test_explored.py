"""Errors by how a candidate came to be scored, by hand; and which rows the other tables are about."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from mtmd.config import Declarations, EvaluationConfig
from mtmd.errors import EvaluationError
from mtmd.evaluate.evaluation import evaluate_predictors
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.predictors import window_medians
from mtmd.evaluate.report import ALL, EvaluationReport

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


def test_the_other_tables_are_about_all_rows_or_about_the_chosen_ones(
    day: HeldOutDay, declarations: Declarations
) -> None:
    everything = evaluated(day, declarations)
    chosen = evaluated(day, declarations, EvaluationConfig(rows="chosen"))
    aggregate = everything.aggregates[0]
    assert aggregate == (ALL, ALL, "ctr")
    assert (everything.get("mtmd", aggregate).rows, chosen.get("mtmd", aggregate).rows) == (4, 2)
    assert everything.get("mtmd", aggregate).logmae == pytest.approx(OFF.mean())
    assert chosen.get("mtmd", aggregate).logmae == pytest.approx(0.5)
    assert chosen.explored == everything.explored
    assert (everything.kind_of_rows, chosen.kind_of_rows, chosen.of_candidate().kind_of_rows) == (
        "all",
        "chosen",
        "chosen",
    )
    assert day.judged(EvaluationConfig()) is day


def test_a_day_without_explored_rows_has_no_such_table(day: HeldOutDay, declarations: Declarations) -> None:
    plain = replace(day, explored=None)
    report = evaluated(plain, declarations)
    assert (report.explored, report.kind_of_rows) == ((), None)
    assert "explored" not in report.model_dump(mode="json")
    assert plain.judged(EvaluationConfig(rows="chosen")) is plain


def test_an_explored_row_that_no_table_is_about_must_have_a_prediction_too(
    day: HeldOutDay, declarations: Declarations
) -> None:
    log_p = np.full(day.teacher.shape, np.nan)
    log_p[1::2] = -1.0
    with pytest.raises(EvaluationError, match=r"'mtmd' on .*: 1 of 2 values are not finite"):
        evaluate_predictors(DAY, declarations, day, {"mtmd": log_p}, EvaluationConfig(rows="chosen"))


def test_the_constant_may_leave_explored_candidates_out(declarations: Declarations, make_shard) -> None:
    shard = make_shard(requests=200)
    high = shard.teacher[:, 0] > shard.teacher[:, 0].median()
    marked = replace(shard, explored=high.to(shard.explored.dtype))
    kept = replace(shard, teacher=shard.teacher.masked_fill(high[:, None], np.nan))
    chosen = window_medians([marked], declarations, chosen=True)
    np.testing.assert_array_equal(chosen, window_medians([kept], declarations))
    np.testing.assert_array_equal(
        window_medians([marked], declarations), window_medians([shard], declarations)
    )
    assert (chosen[:, 0] < window_medians([shard], declarations)[:, 0]).all()


def test_a_days_explored_rows_come_from_its_shard(declarations: Declarations, make_shard) -> None:
    shard = make_shard(requests=4)
    assert HeldOutDay.of(shard, declarations).explored is None
    marked = shard.explored.clone()
    marked[5] = 1
    found = HeldOutDay.of(replace(shard, explored=marked), declarations).explored
    assert found is not None
    assert np.flatnonzero(found).tolist() == [5]
