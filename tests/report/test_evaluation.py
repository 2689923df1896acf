"""Tables of an evaluation whose every number is known: predictors are off by a constant."""

from dataclasses import replace

import numpy as np
import pytest

from mtmd.config import Preset
from mtmd.evaluate.evaluation import evaluate_predictors
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.metrics import NAMED, QUALITIES, RECALL
from mtmd.evaluate.report import EvaluationReport
from mtmd.report.evaluation import (
    first_table,
    gains_table,
    metrics_table,
    rivals_table,
    standing,
    standing_words,
    worth,
)
from mtmd.report.sections import buckets, rivals
from mtmd.report.tables import Table
from tests.report.conftest import AS_OF, changed, evaluate, off_by


def _names(table: Table) -> list[str]:
    return [column.name for column in table.columns]


def test_every_slice_has_every_metric_and_tasks_stand_beside_every_rival(report: EvaluationReport) -> None:
    table = metrics_table(report)
    assert _names(table)[5:-2] == [metric.label for metric in QUALITIES if metric.source != "actions"]
    first = dict(zip(_names(table), table.texts()[0], strict=True))
    assert (first["of"], first["rows"], first["LogMAE"]) == ("mtmd", "320", "0.1000 [0.1000, 0.1000]")
    assert first["calibration to teacher"].startswith("0.9048 [")
    rivals = ["mtmd", "champion", "per-slice baselines", "pooled two-tower", "constant"]
    tasks = [(row[2], row[3], str(row[5])[:6]) for row in table.rows if row[0] == "all"]
    numbers = ["0.1000", "0.0800", "0.2000", "0.1250", "1.0000"]
    assert tasks[:5] == [("ctr", rival, number) for rival, number in zip(rivals, numbers, strict=True)]
    assert len(table.rows) == len(report.slices) + 3 * 5


def test_first_come_the_metrics_that_decide_and_recall_says_of_how_many_requests(
    day: HeldOutDay, tiny_preset: Preset, report: EvaluationReport
) -> None:
    """Two of four are kept; shopping has no octr; equal errors keep the teacher's order. Eight cut no request."""
    assert (
        "top 4 when 8 are kept, in requests with more (ctr 0, gctr 0, octr 0 of 480); KL"
        in first_table(report).title
    )
    assert first_table(report).texts()[0][:3] == ["mtmd", "0.1000", "–"]
    config = tiny_preset.evaluation.model_copy(update={"winners": 1, "kept": 2})
    found = evaluate(day, tiny_preset.model_copy(update={"evaluation": config}), mtmd=0.1, champion=0.2)
    table = first_table(found)
    assert "(ctr 480, gctr 480, octr 240 of 480)" in table.title
    assert _names(table)[1:4] == ["ctr LogMAE", "ctr recall", "ctr KL of winners"]
    assert [row[2] for row in table.texts()] == ["100.00%", "100.00%"]
    assert [row[1] for row in rivals_table(found, RECALL).texts()] == ["0.00% [0.00, 0.00]"]
    kl = float(table.texts()[0][3])
    assert kl == pytest.approx(found.get("mtmd", found.aggregates[0]).winner_kl, abs=1e-5)
    assert rivals_table(found, NAMED["winner_kl"]).rows[0][1].value > 0.5


def test_gains_are_those_over_each_rival_with_intervals(report: EvaluationReport) -> None:
    table = gains_table(report)
    assert table.texts()[0][:3] == ["home_feed × standard × ctr", "0.1000", "−25.00% [−25.00, −25.00]"]
    assert table.texts()[-1][0] == "octr, all slices"
    assert table.texts()[-1][3].startswith("50.00% [")


def test_a_rival_has_its_standing_and_one_of_an_earlier_day_its_age(report: EvaluationReport) -> None:
    champion, per_slice, *_ = rivals_table(report).texts()
    assert champion[:3] == ["champion", "behind on ctr, gctr and octr", "−25.00% [−25.00, −25.00]"]
    assert per_slice[:2] == ["per-slice baselines", "ahead on ctr, gctr and octr"]
    aged = changed(report, ages={"per_slice": 5})
    assert rivals_table(aged).rows[1][0] == "per-slice baselines, 5 days old"


def test_what_another_seed_would_change_is_a_tie_however_narrow_its_interval(
    day: HeldOutDay, tiny_preset: Preset
) -> None:
    """4.8 % ahead, 5.2 % ahead, 4.9 % behind, in every row."""
    found = evaluate(day, tiny_preset, mtmd=0.1, pooled=[0.1 / 0.952, 0.1 / 0.948, 0.1 / 1.049])
    assert standing_words(found, "pooled") == "ahead on gctr, tied on ctr and octr"


def test_without_a_number_it_is_a_tie(report: EvaluationReport) -> None:
    blank = [c.model_copy(update={"low": None, "high": None}) for c in report.comparisons]
    found = standing(changed(report, comparisons=tuple(blank)), "pooled")
    assert found == {"ahead": [], "tied": ["ctr", "gctr", "octr"], "behind": []}


def test_pooling_alone_may_be_enough(day: HeldOutDay, tiny_preset: Preset) -> None:
    noise = " A difference below 5% is noise between trainings, and counts as tied."
    for pooled, said in (
        (0.2, "MTMD is worth its cost: against pooling alone it is ahead on ctr, gctr and octr."),
        ([0.2, 0.05, 0.2], "Mixed: against pooling alone MTMD is ahead on ctr and octr, behind on gctr."),
        (0.1, "Pooling alone is enough today: against it MTMD is tied on ctr, gctr and octr."),
    ):
        assert worth(evaluate(day, tiny_preset, mtmd=0.1, pooled=pooled)) == said + noise
    without = evaluate(day, tiny_preset, mtmd=0.1, constant=1.0)
    assert worth(without).startswith("The pooled two-tower was not evaluated")


def test_what_is_learnt_from_actions_is_told_by_ne_and_by_nothing_that_needs_scores(
    day: HeldOutDay, tiny_preset: Preset
) -> None:
    given = tiny_preset.model_dump() | {
        "training": tiny_preset.training.model_dump() | {"learn_from": "actions"}
    }
    acted = np.where(day.labels >= 0, day.labels, np.nan).astype(np.float32)
    predictions = {name: off_by(day, error) for name, error in {"mtmd": 0.0, "pooled": 1.5}.items()}
    preset = Preset.model_validate(given)
    held = replace(day, teacher=acted)
    found = evaluate_predictors(AS_OF, preset.declarations, held, predictions, preset.evaluation)
    assert _names(first_table(found))[1:4] == ["ctr NE", "ctr AUC", "ctr calibration to actions"]
    assert (gains_table(found).columns[1].name, found.logmae("mtmd")) == ("NE", None)
    ahead = [row[1].split(" on ")[0] for row in rivals_table(found).rows]
    assert ahead == ["ahead"]
    text = " ".join(str(block) for one in (rivals(found), buckets(found)) for block in (*one.blocks, one.how))
    assert "rank buckets need scores" in text
    assert "so there are none" in text
    assert "0.5% or more" in text
    assert "KL of winners over" not in text
