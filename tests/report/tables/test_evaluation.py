"""Tables: the paper's forms, plain values, Markdown."""

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from mtmd.config import Declarations, EvaluationConfig, Slice
from mtmd.evaluate.evaluation import evaluate_predictors
from mtmd.evaluate.report import Estimate, EvaluationReport
from mtmd.report.tables.evaluation import (
    Column,
    Table,
    action_table,
    cold_table,
    compared_buckets,
    estimate,
    explored_table,
    improvement_table,
    logmae_table,
)


@pytest.fixture(scope="module")
def report(declarations: Declarations, make_day) -> EvaluationReport:
    """A day where "mtmd" is off by 0.1 in ln p̂ and "per_slice" by 0.4, everywhere: a gain of 75 %."""
    day = make_day(600, only=(0, 1, 2, 3, 4))
    log_teacher = np.log(np.nan_to_num(day.teacher, nan=0.5))
    predictions = {"mtmd": log_teacher - 0.1, "per_slice": log_teacher - 0.4}
    return evaluate_predictors(date(2026, 1, 21), declarations, day, predictions, EvaluationConfig(buckets=8))


def test_the_cold_table_says_how_far_off_the_candidate_is_on_new_values(
    declarations: Declarations, make_day
) -> None:
    day = make_day(600)
    log_teacher = np.log(np.nan_to_num(day.teacher, nan=0.5))
    predictions = {"mtmd": log_teacher - 0.1, "constant": log_teacher - 0.4}
    predictions["mtmd"][:6] -= 0.1  # the cold ones
    cold, config = {"ad_id": np.arange(600) < 6}, EvaluationConfig()
    report = evaluate_predictors(date(2026, 1, 21), declarations, day, predictions, config, cold=cold)
    report = EvaluationReport.model_validate_json(  # as it is stored: names in the order of the alphabet
        json.dumps(report.model_dump(mode="json"), sort_keys=True)
    )
    table = cold_table(report)
    assert [column.name for column in table.columns][-4:] == [
        "mtmd",
        "constant",
        "mtmd, other rows",
        "times that",
    ]
    new, task, rows, share, own, rival, others, times = table.rows[0]
    assert (new, task, rows, share, times) == ("ad_id", "ctr", 6, 0.01, "2.00 ×")
    assert (own, rival, others) == pytest.approx((0.2, 0.4, 0.1), rel=1e-6)


def test_the_explored_table_has_chosen_and_explored_candidates_of_each_task(
    declarations: Declarations, make_day
) -> None:
    day = replace(make_day(600), explored=np.arange(600) < 100)
    log_teacher = np.log(np.nan_to_num(day.teacher, nan=0.5))
    predictions = {"mtmd": log_teacher - 0.1, "constant": log_teacher - 0.4}
    predictions["mtmd"][:100] -= 0.1  # the explored ones
    report = evaluate_predictors(date(2026, 1, 21), declarations, day, predictions, EvaluationConfig())
    table = explored_table(report)
    level = "mtmd, calibration to teacher"
    assert [column.name for column in table.columns] == [
        "task",
        "candidates",
        "rows",
        "mtmd",
        "constant",
        level,
    ]
    assert [row[:3] for row in table.rows[:2]] == [("ctr", "chosen", 500), ("ctr", "explored", 100)]
    assert table.rows[0][3:] == pytest.approx((0.1, 0.4, np.exp(-0.1)), rel=1e-6)
    assert table.rows[1][3:] == pytest.approx((0.2, 0.4, np.exp(-0.2)), rel=1e-6)


def test_the_logmae_table_has_slices_then_aggregates(report: EvaluationReport) -> None:
    table = logmae_table(report)
    assert [c.name for c in table.columns] == [
        "surface", "product", "task", "rows", "mtmd", "per_slice", "vs per_slice",
    ]  # fmt: skip
    assert len(table.rows) == 15 + 3
    first, last = table.records()[0], table.records()[-1]
    assert (first["surface"], first["product"], first["task"]) == ("home_feed", "standard", "ctr")
    assert first["mtmd"] == pytest.approx(0.1, abs=1e-6)
    assert first["vs per_slice"] == pytest.approx(0.75, abs=1e-6)
    assert (last["surface"], last["product"], last["task"]) == ("all", "all", "octr")


def test_a_rival_of_an_earlier_day_has_its_age_beside_its_name(report: EvaluationReport) -> None:
    rival = next(name for name in report.predictors if name != report.candidate)
    aged = report.model_copy(update={"ages": {rival: 5}})
    names = [column.name for column in logmae_table(aged).columns]
    assert {f"{rival} (5 days old)", f"vs {rival} (5 days old)"} <= set(names)
    assert f"over {rival} (5 days old)" in improvement_table(aged, rival).title
    for table in (cold_table(aged), explored_table(aged)):
        assert f"{rival} (5 days old)" in [column.name for column in table.columns]


def test_the_improvement_table_has_the_form_of_the_papers_table_1(report: EvaluationReport) -> None:
    table = improvement_table(report, "per_slice")
    assert [c.name for c in table.columns] == ["Surface", "Ad Type", "CTR", "GCTR", "OCTR"]
    assert len(table.rows) == 6
    sure = "75.00% [75.00, 75.00]"  # every row is four times as far off: chance changes nothing
    assert table.texts()[0] == ["home feed", "shopping", sure, sure, "N/A"]
    assert table.texts()[1] == ["home feed", "standard", sure, sure, sure]
    assert table.texts()[2] == ["related pin", "shopping", "–", "–", "N/A"]  # the day has no such rows
    assert [row[:2] for row in table.texts()[3:]] == [
        ["related pin", "standard"], ["search", "shopping"], ["search", "standard"]
    ]  # fmt: skip


def test_an_estimate_has_an_interval_where_the_candidate_was_compared(report: EvaluationReport) -> None:
    where = report.slices[0]
    assert compared_buckets(report) == (0, 1, 2, 3, 4, None)
    pair = report.compared("per_slice", where, 4)
    found = estimate(report, "mtmd", "per_slice", where, 4)
    assert found is not None
    assert (found.low, found.high) == (pair.low, pair.high)
    assert found.value == pytest.approx(0.75, abs=1e-6)
    lower = estimate(report, "mtmd", "per_slice", where, 5)
    rival = estimate(report, "per_slice", "mtmd", where)
    assert lower is not None
    assert rival is not None
    assert (lower.value, lower.interval) == (pytest.approx(0.75, abs=1e-6), "")
    assert (rival.value, rival.interval) == (pytest.approx(-3.0, abs=1e-5), "")
    assert estimate(report, "mtmd", "per_slice", Slice("related_pin", "shopping", "ctr")) is None


def test_the_action_table_counts_impressions_and_actions(report: EvaluationReport) -> None:
    record = action_table(report).records()[0]
    found = report.get("mtmd", report.slices[0])
    assert (record["impressions"], record["actions"]) == (found.impressions, found.positives)
    assert record["calibration to teacher"] == pytest.approx(np.exp(-0.1), abs=1e-6)
    assert action_table(report).title.startswith("mtmd against real actions on 2026-01-21")


def test_values_are_written_by_the_kind_of_their_column() -> None:
    assert Column(name="x", kind="count").text(12345) == "12,345"
    assert Column(name="x", kind="number").text(0.123456) == "0.1235"
    assert Column(name="x", kind="percent").text(-0.0123) == "−1.23%"
    assert Column(name="x", kind="share").text(0.0123) == "1.23%"
    assert Column(name="x", kind="number").text(None) == "–"
    assert Column(name="x", kind="percent").text("N/A") == "N/A"
    assert Column(name="x", kind="estimate").text(0.0917) == "9.17%"


def test_an_estimate_is_written_as_the_paper_writes_it() -> None:
    assert str(Estimate(value=0.0917, low=0.0712, high=0.1098)) == "9.17% [7.12, 10.98]"
    assert str(Estimate(value=-0.0134, low=-0.052, high=0.024)) == "-1.34% [-5.20, 2.40]"
    assert str(Estimate(value=0.5)) == "50.00%"


def test_markdown_is_a_table_under_its_title() -> None:
    table = Table(
        title="Title", columns=(Column(name="a", kind="text"), Column(name="b")), rows=(("x|y", 0.5),)
    )
    assert table.markdown() == "**Title**\n\n| a | b |\n| :-- | --: |\n| x\\|y | 0.5000 |\n"
