"""Where the candidate stands, by hand: predictors that are off by a constant, in some rank buckets by another."""

from mtmd.config import Preset
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.report import EvaluationReport
from mtmd.report.standing import standing, worth
from tests.report.conftest import changed, day, evaluate, report

__all__ = ["day", "report"]


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
