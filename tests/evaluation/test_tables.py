"""Tables: the paper's forms, plain values, Markdown."""

from datetime import date

import numpy as np
import pytest

from mtmd.config import Declarations, EvaluationConfig, Slice
from mtmd.evaluation import (
    Column,
    EvaluationReport,
    Table,
    action_table,
    bucket_table,
    evaluate_predictors,
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


def test_the_improvement_table_has_the_form_of_the_papers_table_1(report: EvaluationReport) -> None:
    table = improvement_table(report, "per_slice")
    assert [c.name for c in table.columns] == ["surface", "product", "ctr", "gctr", "octr"]
    assert len(table.rows) == 6
    assert table.texts()[0] == ["home_feed", "standard", "+75.00%", "+75.00%", "+75.00%"]
    assert table.texts()[1] == ["home_feed", "shopping", "+75.00%", "+75.00%", "N/A"]
    assert table.texts()[5] == ["related_pin", "shopping", "–", "–", "N/A"]  # the day has no such rows


def test_the_bucket_table_has_the_form_of_the_papers_table_6(report: EvaluationReport) -> None:
    table = bucket_table(report, "per_slice")
    assert [c.name for c in table.columns][3:] == ["0", "1", "2", "3", "4", "all"]
    assert [row[2] for row in table.rows] == ["ctr", "gctr", "octr"]
    assert all(value == pytest.approx(0.75, abs=1e-6) for row in table.rows for value in row[3:])
    where = Slice("search", "standard", "ctr")
    narrow = bucket_table(report, "per_slice", "per_slice", top=2, slices=[where])
    assert narrow.rows == ((*where, 0.0, 0.0, 0.0),)


def test_the_action_table_counts_impressions_and_actions(report: EvaluationReport) -> None:
    record = action_table(report).records()[0]
    found = report.get("mtmd", report.slices[0])
    assert (record["impressions"], record["actions"]) == (found.impressions, found.positives)
    assert record["calibration to teacher"] == pytest.approx(np.exp(-0.1), abs=1e-6)
    assert action_table(report, "per_slice").title.startswith("per_slice against real actions on 2026-01-21")


def test_values_are_written_by_the_kind_of_their_column() -> None:
    assert Column(name="x", kind="count").text(12345) == "12,345"
    assert Column(name="x", kind="number").text(0.123456) == "0.1235"
    assert Column(name="x", kind="percent").text(-0.0123) == "-1.23%"
    assert Column(name="x", kind="number").text(None) == "–"
    assert Column(name="x", kind="percent").text("N/A") == "N/A"


def test_markdown_is_a_table_under_its_title() -> None:
    table = Table(
        title="Title", columns=(Column(name="a", kind="text"), Column(name="b")), rows=(("x|y", 0.5),)
    )
    assert table.markdown() == "**Title**\n\n| a | b |\n| :-- | --: |\n| x\\|y | 0.5000 |\n"
