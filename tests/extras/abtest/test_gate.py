"""The gate of the simulated A/B, by numbers: 19 degrees of freedom, six metrics, 5 % of false alarms.

P(T > 3) = 0.00368 and P(T > 2.5) = 0.01087: six times the first is 0.022, the second 0.065.
"""

import pytest

from mtmd.extras.abtest.daily import ab_gate
from tests.extras.abtest.outcomes import planted

NONE_WORSE = "none of 6 metrics over all impressions is shown worse than with the per-slice baselines: "


def test_a_candidate_that_is_better_passes_and_says_its_numbers() -> None:
    gate = ab_gate(planted(CPC=-3.0, CTR=3.0, GCTR=3.0, OCTR=1.0, HDR=-4.0, RPR=3.0), 0.05)
    assert (gate.name, gate.passed) == ("a/b test", True)
    assert gate.detail.startswith(NONE_WORSE)
    assert "CTR +3.05% [+0.91%, +5.22%]; " in gate.detail


@pytest.mark.parametrize(
    ("metric", "errors"),
    [("CPC", 3.0), ("HDR", 3.0), ("CTR", -3.0), ("GCTR", -3.0), ("OCTR", -3.0), ("RPR", -3.0)],
)
def test_one_metric_that_is_worse_beyond_chance_fails_whichever_it_is(metric: str, errors: float) -> None:
    gate = ab_gate(planted(**{metric: errors}), 0.05)
    assert not gate.passed
    head = f"1 of 6 metrics over all impressions are worse than with the per-slice baselines ({metric}): {metric} "
    assert gate.detail.startswith(head)
    assert f"{metric} {'+3.05%' if errors > 0 else '−2.96%'}" in gate.detail
    assert ", p 0.022; " in gate.detail
    assert ab_gate(planted(**{metric: -errors}), 0.05).passed


def test_six_looks_are_more_than_one() -> None:
    """An interval at 95 % that is wholly on the bad side is not enough among six; alone it would be."""
    found = planted(HDR=2.5)
    (hides,) = (one for one in found.whole if one.metric == "HDR")
    assert hides.low is not None
    assert hides.low > 0
    gate = ab_gate(found, 0.05)
    assert gate.passed
    assert gate.detail.startswith(f"{NONE_WORSE}HDR +2.53% [+0.41%, +4.70%], p 0.065; ")
    assert not ab_gate(found, 0.07).passed
    alone = planted(HDR=2.5, CPC=None, CTR=None, GCTR=None, OCTR=None, RPR=None)
    assert not ab_gate(alone, 0.05).passed


def test_the_second_loss_is_held_to_what_is_left() -> None:
    """5 × 0.01087 = 0.054, and 5 × P(T > 2.6) = 0.044."""
    assert (
        "1 of 6 metrics over all impressions are worse than with the per-slice baselines (CPC): "
        in ab_gate(planted(CPC=3.0, CTR=-2.5), 0.05).detail
    )
    assert "baselines (CPC, CTR): " in ab_gate(planted(CPC=3.0, CTR=-2.6), 0.05).detail


def test_what_cannot_be_judged_is_named_and_nothing_judged_is_no_pass() -> None:
    gate = ab_gate(planted(OCTR=None), 0.05)
    assert gate.passed
    assert gate.detail.startswith("none of 5 metrics")
    assert gate.detail.endswith("; not judged: OCTR")
    undefined: dict[str, float | None] = dict.fromkeys(("CPC", "CTR", "GCTR", "OCTR", "HDR", "RPR"))
    assert not ab_gate(planted(**undefined), 0.05).passed


def test_what_follows_from_another_metric_is_not_judged_again() -> None:
    """Three errors of HDR alone would block among six metrics; where it follows from CTR, it is none of the four.

    4 × P(T > 2.6) = 0.035 is found among four, and 6 × 0.0088 = 0.053 is not among six.
    """
    follows = {"HDR": "CTR", "RPR": "CTR"}
    gate = ab_gate(planted(HDR=3.0, follows=follows), 0.05)
    assert gate.passed
    assert gate.detail.startswith("none of 4 metrics over all impressions is shown worse")
    assert gate.detail.endswith("; HDR and RPR follow from CTR in this world and are not judged again")
    assert "HDR +" not in gate.detail
    assert not ab_gate(planted(CTR=-2.6, follows=follows), 0.05).passed
    assert ab_gate(planted(CTR=-2.6), 0.05).passed
