"""Improvements that are known by hand: predictors that are off by a constant."""

import pytest

from mtmd.config import Preset
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.report import EvaluationReport
from mtmd.report.page.comparisons import (
    ablation_maps,
    bucket_maps,
    rivals_map,
    slice_maps,
    top_map,
    worth,
)
from tests.report.page.conftest import evaluate


def test_the_rivals_map_has_a_row_per_rival_pooled_included(report: EvaluationReport) -> None:
    found = rivals_map(report)
    assert [labels[0] for labels, _ in found.rows] == [
        "per-slice baselines", "pooled two-tower", "champion", "constant",
    ]  # fmt: skip
    assert found.columns == ("ctr", "gctr", "octr", "in words")
    pooled = found.rows[1][1]
    assert [cell.text for cell in pooled] == ["20.00%"] * 3 + ["ahead on ctr, gctr and octr"]
    assert pooled[0].note == "[20.00, 20.00]"
    champion = found.rows[2][1]
    assert [cell.text for cell in champion] == ["−25.00%"] * 3 + ["behind on ctr, gctr and octr"]


def test_the_constant_does_not_bleach_the_rivals_colours(report: EvaluationReport) -> None:
    """It is 90 % behind; the rivals' largest difference is 50 %."""
    found = rivals_map(report)
    assert found.legend[-1].text == "+50%"
    assert found.rows[0][1][0].shade == pytest.approx(1.0)
    assert found.rows[3][1][0].shade == 1.0


def test_slice_maps_have_the_form_of_table_1_with_the_whole_last(report: EvaluationReport) -> None:
    maps = list(slice_maps(report))
    assert [one.title for one in maps] == [
        "over the per-slice baselines", "over the pooled two-tower", "over the champion",
    ]  # fmt: skip
    assert (maps[0].corner, maps[0].columns) == (("surface × product",), ("CTR", "GCTR", "OCTR"))
    rows = {labels: [cell.text for cell in cells] for labels, cells in maps[0].rows}
    assert rows["home_feed × standard",] == ["50.00%"] * 3
    assert rows["home_feed × shopping",] == ["50.00%", "50.00%", "N/A"]
    assert list(rows) == [  # as in the paper
        ("home_feed × shopping",), ("home_feed × standard",),
        ("related_pin × shopping",), ("related_pin × standard",),
        ("search × shopping",), ("search × standard",),
        ("all × all",),
    ]  # fmt: skip


def test_bucket_maps_have_the_top_buckets_and_all_for_every_rival(report: EvaluationReport) -> None:
    maps = list(bucket_maps(report))
    assert [one.title for one in maps] == [
        "over the per-slice baselines", "over the pooled two-tower", "over the champion", "over the constant",
    ]  # fmt: skip
    for one, gain in zip(maps, ("50.00%", "20.00%", "−25.00%", "90.00%"), strict=True):
        assert one.columns == ("0", "1", "2", "3", "4", "all")
        assert [labels for labels, _ in one.rows] == [("ctr",), ("gctr",), ("octr",), ("all tasks",)]
        assert {cell.text for _, cells in one.rows for cell in cells} == {gain}


def test_the_top_map_has_rivals_by_bucket_and_their_standing_in_words(report: EvaluationReport) -> None:
    found = top_map(report)
    assert found.columns == ("0", "1", "2", "3", "4", "all", "in 0 and 1")
    rows = {labels[0]: cells for labels, cells in found.rows}
    assert list(rows) == ["per-slice baselines", "pooled two-tower", "champion", "constant"]
    assert [cell.text for cell in rows["pooled two-tower"]] == ["20.00%"] * 6 + ["ahead in both"]
    assert rows["champion"][-1].text == "behind in both"
    assert found.legend[-1].text == "+50%"  # the constant's 90 % does not bleach the others


@pytest.mark.parametrize(
    ("pooled", "words"),
    [
        ([0.2, 0.2, 0.2], "MTMD is worth its cost: it is ahead of pooling alone on ctr, gctr and octr."),
        (
            [0.2, 0.1, 0.1],
            "MTMD is worth its cost on ctr: against pooling alone it is ahead on ctr, tied on gctr and octr.",
        ),
        (
            [0.1, 0.1, 0.05],
            "Pooled is enough today: against pooling alone MTMD is tied on ctr and gctr, behind on octr, so it does "
            "not earn its cost.",
        ),
        (
            [0.2, 0.1, 0.05],
            "Mixed: against pooling alone MTMD is ahead on ctr, tied on gctr, behind on octr; it earns its cost on "
            "ctr only, and pooling is better on octr.",
        ),
    ],
)
def test_it_says_whether_mtmd_is_worth_its_cost(
    day: HeldOutDay, tiny_preset: Preset, pooled: list[float], words: str
) -> None:
    found = worth(evaluate(day, tiny_preset, mtmd=0.1, pooled=pooled))
    assert found == (
        f"{words} This is one training seed of each: below 5% a difference is noise between trainings, and counts as "
        "tied."
    )


def test_without_pooled_it_says_that_nothing_is_known(day: HeldOutDay, tiny_preset: Preset) -> None:
    found = evaluate(day, tiny_preset, mtmd=0.1, per_slice=0.2)
    assert worth(found) == (
        "The pooled two-tower was not evaluated, so whether pooling alone is enough is not known."
    )
    assert [one.title for one in slice_maps(found)] == ["over the per-slice baselines"]


def test_ablations_have_the_form_of_table_6(day: HeldOutDay, tiny_preset: Preset) -> None:
    """1 − 0.1 / 0.125 = 20 % without the adaptation; with downsampling added, 1 − 0.125 / 0.1 = −25 %."""
    found = evaluate(day, tiny_preset, mtmd=0.1, no_domain_adaptation=0.125, downsampling=0.125)
    maps = list(ablation_maps([found]))
    assert [one.title for one in maps] == ["all tasks", "ctr", "gctr", "octr"]
    for one in maps:
        assert one.columns == ("0", "1", "2", "3", "4", "all")
        rows = {labels[0]: {cell.text for cell in cells} for labels, cells in one.rows}
        assert rows == {"DomainAdapt": {"20.00%"}, "DownSampling": {"−25.00%"}}
    assert list(ablation_maps([])) == []
