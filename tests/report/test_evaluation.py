"""Tables of an evaluation whose every number is known: predictors are off by a constant."""

import pytest

from mtmd.config import GatesConfig, Preset
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.report import EvaluationReport, ExploredMetrics
from mtmd.report.evaluation import (
    METRICS,
    buckets_table,
    explored_table,
    gains_table,
    metrics_table,
    rivals_table,
    tasks_table,
)
from mtmd.report.tables import Table
from tests.report.conftest import GATES, changed, evaluate


def _names(table: Table) -> list[str]:
    return [column.name for column in table.columns]


def test_every_slice_has_every_metric(report: EvaluationReport) -> None:
    table = metrics_table(report)
    assert _names(table)[4:-2] == [metric.name for metric in METRICS]
    assert [row[:3] for row in table.rows] == [tuple(one) for one in (*report.slices, *report.aggregates)]
    row = dict(zip(_names(table), table.texts()[0], strict=True))
    assert (row["rows"], row["LogMAE"]) == ("320", "0.1000")
    assert row["calibration to teacher"].startswith("0.9048 [")
    assert len(metrics_table(report, report.aggregates).rows) == 3


def test_tasks_stand_beside_every_rival(report: EvaluationReport) -> None:
    table = tasks_table(report)
    rivals = ["champion", "per-slice baselines", "pooled two-tower", "constant"]
    assert _names(table) == ["metric", "mtmd", *rivals]
    assert table.texts()[0] == ["ctr: LogMAE", "0.1000", "0.0800", "0.2000", "0.1250", "1.0000"]


def test_gains_are_those_over_each_rival_with_intervals(report: EvaluationReport) -> None:
    table = gains_table(report)
    assert table.texts()[0][:3] == ["home_feed × standard × ctr", "0.1000", "−25.00% [−25.00, −25.00]"]
    assert table.texts()[-1][0] == "octr, all slices"
    assert table.texts()[-1][3].startswith("50.00% [")


def test_a_rival_has_its_standing_and_the_slice_where_it_is_closest(report: EvaluationReport) -> None:
    champion, per_slice, *_ = rivals_table(report, GATES).texts()
    assert champion[:3] == ["champion", "behind on ctr, gctr and octr", "−25.00% [−25.00, −25.00]"]
    assert champion[-2].startswith("✗ ")
    assert champion[-2].endswith("% of rows): −25.00% [−25.00, −25.00]")
    assert champion[-1] == "0 of 15 slices better, 15 worse"
    assert per_slice[1] == "ahead on ctr, gctr and octr"
    assert "✗" not in per_slice[-2]
    scarce = rivals_table(report, GatesConfig(min_requests=1e9)).texts()[0]
    assert scarce[-2:] == ["no slice could be judged", "0 of 0 slices better, 0 worse, 15 not judged"]


def test_a_rival_of_an_earlier_day_says_how_old_it_is(report: EvaluationReport) -> None:
    aged = changed(report, ages={"per_slice": 5})
    assert rivals_table(aged, GATES).rows[1][0] == "per-slice baselines, 5 days old"


def test_buckets_are_told_over_all_rivals_and_task_by_task(report: EvaluationReport) -> None:
    whole = buckets_table(report)
    assert _names(whole)[:2] == ["over the", "0"]
    assert _names(whole)[-1] == "all"
    assert whole.texts()[0][-1].startswith("−25.00% [")
    by_task = buckets_table(report, "pooled")
    assert [row[0] for row in by_task.rows] == ["ctr", "gctr", "octr"]
    assert by_task.texts()[0][-1].startswith("20.00% [")


@pytest.mark.parametrize(
    ("name", "own", "other", "better"),
    [
        ("LogMAE", 0.4, 0.5, 0.2),
        ("AUC", 0.9, 0.75, 0.2),
        ("calibration to actions", 1.1, 0.8, 0.1),
        ("KL", None, 1.0, None),
    ],
)
def test_a_metric_knows_which_direction_is_better(
    report: EvaluationReport, name: str, own: float | None, other: float, better: float | None
) -> None:
    field = {"LogMAE": "logmae", "AUC": "auc", "KL": "kl"}.get(name, "calibration")
    metric = next(one for one in METRICS if one.name == name)
    first, second = (report.metrics[0].model_copy(update={field: value}) for value in (own, other))
    assert metric.improvement(first, second) == (None if better is None else pytest.approx(better))


def test_explored_candidates_stand_beside_the_chosen_ones(day: HeldOutDay, tiny_preset: Preset) -> None:
    report = evaluate(day, tiny_preset, mtmd=0.1, constant=1.0)
    numbers: dict[str, dict[str, float | None]] = {
        "logmae": {"mtmd": 0.5, "constant": None},
        "logmae_of_chosen": {"mtmd": 0.25, "constant": 1.0},
        "calibration": {"mtmd": 1.5, "constant": 1.0},
        "calibration_of_chosen": {"mtmd": 1.25, "constant": 1.0},
    }
    found = explored_table(
        changed(report, explored=(ExploredMetrics(task="ctr", rows=9, chosen=90, **numbers),))
    )
    assert found.texts() == [
        ["ctr", "chosen", "90", "0.2500", "1.0000", "1.2500"],
        ["ctr", "explored", "9", "0.5000", "–", "1.5000"],
    ]
