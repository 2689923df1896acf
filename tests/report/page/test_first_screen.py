"""What a reader sees first: the rivals' rows, the calibration of all slices, real actions, and the data."""

import math
import re

from mtmd.config import GatesConfig, Preset
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.report import EvaluationReport
from mtmd.extract.shards import Days
from mtmd.promote.calibration_gate import calibrated
from mtmd.promote.gates import Verdict
from mtmd.report.page.calibration_strip import calibration_view
from mtmd.report.page.first_screen import data_words, noted, rival_rows
from mtmd.report.page.on_actions import action_rows
from mtmd.report.page.quality import Validation
from mtmd.report.page.render import ReportInputs
from mtmd.report.page.verdict import headline
from mtmd.report.traffic import traffic
from tests.report.page.conftest import GATES, changed, evaluate


def test_each_rival_has_its_gain_and_its_worst_slice_by_name(
    report: EvaluationReport,
) -> None:
    champion, baseline, pooled = rival_rows(report, GATES)
    assert (champion.name, champion.words, champion.kind) == (
        "champion",
        "behind on ctr, gctr and octr",
        "bad",
    )
    assert [cell.text for cell in champion.cells] == ["−25.00%"] * 4
    assert re.fullmatch(r"\w+ × \w+ × \w+", champion.worst)
    assert (champion.worst_words, champion.worst_kind) == ("−25.00% [−25.00, −25.00]", "bad")
    assert champion.slices == "0 of 15 slices better, 15 worse"
    assert (baseline.slices, baseline.worst_kind) == ("15 of 15 slices better, 0 worse", "")
    assert (pooled.name, pooled.worst_words) == ("pooled two-tower", "20.00% [20.00, 20.00]")


def test_the_worst_slice_is_the_judged_one_with_the_least_gain(day: HeldOutDay, tiny_preset: Preset) -> None:
    """One task is worse than pooling, which no gate judges: the rule of the gates says so."""
    found = evaluate(day, tiny_preset, mtmd=[0.1, 0.1, 0.3], per_slice=0.2, pooled=0.2)
    pooled = rival_rows(found, GATES)[2]
    assert pooled.worst.endswith("× octr")
    assert (pooled.worst_words, pooled.worst_kind) == ("−50.00% [−50.00, −50.00]", "bad")
    assert pooled.slices == "12 of 15 slices better, 3 worse"
    none = rival_rows(found, GatesConfig(min_requests=1000))
    assert [row.worst for row in none] == ["", "no slice could be judged", "no slice could be judged"]
    assert (none[0].words, none[0].cells) == ("not compared", ())


def test_slices_furthest_from_one_are_named_whichever_side_they_are_on(
    day: HeldOutDay, tiny_preset: Preset, verdict: Verdict
) -> None:
    """e^−0.1 = 0.905 in two tasks, e^0.3 = 1.35 in one, which is out of 0.8 to 1.25 beyond chance."""
    found = evaluate(day, tiny_preset, mtmd=[0.1, 0.1, -0.3], per_slice=0.2)
    judged = verdict.model_copy(update={"gates": (calibrated("calibration", found, GATES),)})
    view = calibration_view(found, judged, GATES)
    assert (view.words, view.kind) == ("0.90 to 1.35 in 15 judged slices", "bad")
    assert [row.slice.endswith("× octr") for row, _ in view.rows[:3]] == [True] * 3
    assert [(row.words, row.kind) for row, _ in view.rows[:3]] == [("1.35 [1.35, 1.35]", "bad")] * 3
    assert str(view.svg).count("<circle") == 15
    assert {row.place for row, _ in view.rows} == {"inside", "outside"}
    assert {champion for _, champion in view.rows} == {None}
    wide = calibration_view(found, judged, GatesConfig(calibration_low=0.1, calibration_high=10.0))
    assert not any(row.outside for row, _ in wide.rows)
    assert calibration_view(found, verdict.model_copy(update={"gates": ()}), GATES).words == "not judged"


def test_the_champions_level_is_beside_the_candidates_and_judged_by_the_same_rule(
    day: HeldOutDay, tiny_preset: Preset, verdict: Verdict
) -> None:
    """The champion is off by e^−0.3 = 0.74 in one task, out of 0.8 to 1.25; the candidate by e^0.1 = 1.11."""
    found = evaluate(day, tiny_preset, mtmd=-0.1, per_slice=0.2, champion=[0.0, 0.0, 0.3])
    judged = verdict.model_copy(update={"gates": (calibrated("calibration", found, GATES),)})
    view = calibration_view(found, judged, GATES)
    assert (view.words, view.champion_words) == ("1.11 to 1.11 in 15 judged slices", "0.74 to 1.00")
    assert (view.kind, view.champion_kind) == ("good", "bad")
    beside = {row.slice: champion for row, champion in view.rows if champion}
    assert {(one.words, one.kind) for slice_, one in beside.items() if slice_.endswith("octr")} == {
        ("0.74 [0.74, 0.74]", "bad")
    }
    assert {one.place for slice_, one in beside.items() if not slice_.endswith("octr")} == {"inside"}
    assert str(view.svg).count("<circle") == 30
    assert "Calibration of 15 slices, and the champion; bounds 0.8 and 1.25" in str(view.svg)


def test_a_champion_that_is_miscalibrated_too_is_said_in_the_headline(
    day: HeldOutDay, tiny_preset: Preset, verdict: Verdict, days: Days
) -> None:
    """The candidate is off by e^−0.4 = 0.67 in all 15 slices, the champion by e^−0.3 = 0.74 in the three of octr."""
    found = evaluate(day, tiny_preset, mtmd=0.4, per_slice=0.2, champion=[0.0, 0.0, 0.3])
    judged = verdict.model_copy(update={"gates": (calibrated("calibration", found, GATES),)})
    said = calibration_view(found, judged, GATES).champion_too
    assert said.startswith("the champion is miscalibrated too, in 3 of these 15 slices (")
    assert said.endswith(" × octr: 0.74, candidate 0.67)")
    assert headline(judged, "b", days, said).whole == f"Kept the champion; {said}"
    alike = evaluate(day, tiny_preset, mtmd=0.4, per_slice=0.2, champion=0.4)
    assert calibration_view(alike, judged, GATES).champion_too.startswith(
        "the champion is miscalibrated too ("
    )
    good = evaluate(day, tiny_preset, mtmd=0.4, per_slice=0.2, champion=0.0)
    assert calibration_view(good, judged, GATES).champion_too == ""


def test_a_slice_has_its_share_of_the_rows_of_its_task(report: EvaluationReport) -> None:
    """Six domains are alike; octr is on the three of standard alone."""
    shares = {traffic(report, where) for where in report.slices if where.task == "octr"}
    assert shares == {"33% of rows"}
    assert traffic(report, report.slices[0]) == "17% of rows"
    few = [one.model_copy(update={"rows": 12}) if one.surface != "all" else one for one in report.metrics]
    assert traffic(changed(report, metrics=tuple(few)), report.slices[0]) == "0.6% of rows"
    none = [one.model_copy(update={"rows": 0}) for one in report.metrics]
    assert traffic(changed(report, metrics=tuple(none)), report.slices[0]) == ""


def test_actions_have_intervals_where_they_are_known(report: EvaluationReport) -> None:
    rival, rows = action_rows(report)
    assert (rival, [row.task for row in rows]) == ("champion", ["ctr", "gctr", "octr"])
    where = report.aggregates[0]
    own = report.get("mtmd", where)
    assert rows[0].auc[0] == f"{own.auc:.4f}"
    assert own.auc_error is not None
    assert rows[0].auc[1] == f"[{own.auc - 1.96 * own.auc_error:.4f}, {own.auc + 1.96 * own.auc_error:.4f}]"
    assert own.log_loss is not None
    assert own.log_loss_error is not None
    low = own.log_loss * math.exp(-1.95996 * own.log_loss_error)
    assert rows[0].log_loss[1].startswith(f"[{low:.4f}, ")
    champion = report.get("champion", where)
    assert rows[0].rival_auc[0] == f"{champion.auc:.4f}"
    assert rows[0].rival_auc[1].startswith("[")
    older = [
        m.model_copy(update={"auc_error": None, "auc": None, "log_loss_error": None}) for m in report.metrics
    ]
    _, before = action_rows(changed(report, metrics=tuple(older)))
    assert (before[0].auc, before[0].log_loss[1]) == (("–", ""), "no interval")


def test_the_data_says_what_failed_and_which_days_are_thin(
    validations: tuple[Validation, ...], days: Days
) -> None:
    found = list(data_words(validations, days))
    assert found == [
        ("window 2026-01-01 … 2026-01-21 failed", "bad"),
        ("1 warning on the held-out day", "held"),
        ("50 rows on the held-out day, −50% against the window's daily mean", "held"),
    ]
    thin = days.window[3].model_copy(update={"candidates": 40})
    window = (*days.window[:3], thin, *days.window[4:])
    half = days.model_copy(update={"window": window})
    assert list(data_words((), half))[-1] == ("thinnest training day: 2026-01-04, −59%", "held")
    assert next(iter(data_words((), half))) == ("all suites hold", "good")


def test_what_was_not_judged_is_said_before_the_answers(inputs: ReportInputs) -> None:
    """Of a slice that one of the gates against rivals could not judge; the calibration's slices have their own card."""
    gate = next(gate for gate in inputs.verdict.gates if gate.name == "champion")
    short = gate.model_copy(
        update={
            "slices": tuple(
                one.model_copy(update={"decision": "not enough data"} if place < 2 else {})
                for place, one in enumerate(gate.slices)
            )
        }
    )
    gates = tuple(short if one.name == "champion" else one for one in inputs.verdict.gates)
    assert list(noted(inputs.verdict.model_copy(update={"gates": gates}))) == [
        "2 of 15 slices had too little data to judge"
    ]
