"""Gains by rank bucket, by hand: MTMD is off by 0.1 in ln p̂ and the baselines by 0.4, a gain of 75 %."""

from datetime import date

import numpy as np
import pytest

from mtmd.config import Declarations, EvaluationConfig
from mtmd.evaluate.evaluation import evaluate_predictors
from mtmd.evaluate.report import EVERYTHING, Estimate, EvaluationReport
from mtmd.report.tables.buckets import bucket_table, gain_of, rivals_by_bucket


def evaluated(declarations: Declarations, make_day, buckets: int = 5) -> EvaluationReport:
    day = make_day(600, only=(0, 1, 2, 3, 4))
    log_teacher = np.log(np.nan_to_num(day.teacher, nan=0.5))
    predictions = {"mtmd": log_teacher - 0.1, "per_slice": log_teacher - 0.4}
    predictions["constant"] = log_teacher - np.array([0.2, 0.4, 0.8])
    config = EvaluationConfig(buckets=8, interval_buckets=buckets, resamples=200)
    return evaluate_predictors(date(2026, 1, 21), declarations, day, predictions, config)


@pytest.fixture(scope="module")
def report(declarations: Declarations, make_day) -> EvaluationReport:
    return evaluated(declarations, make_day)


def test_the_bucket_table_has_the_form_of_the_papers_table_6(report: EvaluationReport) -> None:
    table = bucket_table(report, "per_slice")
    assert [c.name for c in table.columns] == ["task", "0", "1", "2", "3", "4", "all"]
    assert [row[0] for row in table.rows] == ["ctr", "gctr", "octr", "all tasks"]
    cells = [cell for row in table.rows for cell in row[1:] if isinstance(cell, Estimate)]
    assert len(cells) == 4 * 6
    assert {(round(cell.value, 6), round(cell.low or 0, 6), round(cell.high or 0, 6)) for cell in cells} == {
        (0.75, 0.75, 0.75)
    }
    assert table.title.endswith("(0 = top) on 2026-01-21, with 95% intervals")


def test_over_all_tasks_every_row_counts_once(report: EvaluationReport) -> None:
    """The constant is off by 0.2, 0.4 and 0.8: its LogMAE is their mean, weighed by the rows of the tasks."""
    for bucket in (0, None):
        rows = [report.get("mtmd", where, bucket).rows for where in report.aggregates]
        rival = np.average([0.2, 0.4, 0.8], weights=rows)
        found = gain_of(report, "constant", EVERYTHING, bucket)
        assert found is not None
        assert found.value == pytest.approx(1 - 0.1 / rival, abs=1e-5)
        assert found.low is not None
        assert found.high is not None
        assert found.low <= found.value <= found.high


def test_each_rival_has_a_row_over_all_tasks_with_its_standing(
    report: EvaluationReport, declarations: Declarations, make_day
) -> None:
    table = rivals_by_bucket(report)
    assert [row[0] for row in table.rows] == ["per-slice baselines", "constant"]
    assert [c.name for c in table.columns][-2:] == ["all", "in 0 and 1"]
    assert {row[-1] for row in table.rows} == {"ahead in both"}
    short = rivals_by_bucket(evaluated(declarations, make_day, buckets=1))
    assert [c.name for c in short.columns] == ["over", "0", "all"]
