"""What an arm adds up, and relative changes between two of them with their intervals."""

import numpy as np
import pytest

from mtmd.extras.abtest.changes import CELLS, LOWER_IS_BETTER, METRICS, SUMS, Arm, arm, changes
from mtmd.extras.abtest.funnel import deliver, draw_traffic
from mtmd.extras.abtest.stage import AB_TEST_FORMAT
from mtmd.store.files import digest
from tests.extras.abtest.made import DAY, FUNNEL, tiny_platform, tiny_traffic
from tests.golden import rounded

PINNED = (5, "d2620912f2dbf63174ebc0ed8d4e2069e2d96a7c333078050968433a766a9806")


def arms(seed: int, samples: int, lift: float = 0.0) -> tuple[list[Arm], list[Arm]]:
    """Paired arms whose samples differ by more than the arms, as days do; the treatment's clicks are lifted."""
    rng = np.random.default_rng(seed)
    day = np.exp(0.2 * rng.standard_normal((samples, 1, 1)))
    control, treatment = (
        100 * day * np.exp(0.02 * rng.standard_normal((samples, len(CELLS), len(SUMS)))) for _ in range(2)
    )
    treatment[..., SUMS.index("clicks")] *= 1 + lift
    return list(control), list(treatment)


def test_another_outcome_has_another_number() -> None:
    """Raise AB_TEST_FORMAT where this fails with the number unchanged, and pin both."""
    funnel = FUNNEL.model_copy(update={"requests": 60})
    samples = [draw_traffic(tiny_platform(), DAY, 60, sample, broad=20) for sample in range(5)]
    wave = [(1 + np.arange(one.truth.size).reshape(one.truth.shape) * 7 % 11).astype("f4") for one in samples]
    perfect = [arm(one, one.teacher, funnel) for one in samples]
    other = [arm(one, one.truth * own, funnel) for one, own in zip(samples, wave, strict=True)]
    found = [change.model_dump() for change in changes(perfect, other)]
    assert (AB_TEST_FORMAT, digest(rounded(found))) == PINNED


def test_cells_add_up_and_hold_their_impressions() -> None:
    traffic = tiny_traffic()
    sums, shown = arm(traffic, traffic.teacher, FUNNEL), deliver(traffic, traffic.teacher, FUNNEL)
    kinds = np.array([kind for kind, _ in CELLS])
    for kind in ("surface", "product", "goal"):
        np.testing.assert_allclose(sums[kinds == kind].sum(axis=0), sums[0])
    assert sums[0, SUMS.index("spend")] == pytest.approx(shown.spent.sum())
    inside = traffic.requests.surface[shown.request] == 1
    search = CELLS.index(("surface", "search"))
    assert sums[search, SUMS.index("clicks")] == pytest.approx(shown.expected[inside, 0].sum())
    standard = CELLS.index(("product", "standard"))
    assert sums[0, SUMS.index("outbound_impressions")] == sums[standard, SUMS.index("impressions")]
    np.testing.assert_array_equal(arm(traffic, traffic.teacher, FUNNEL), sums)


def test_metrics_are_ratios_of_sums_over_all_samples() -> None:
    control, treatment = arms(0, 6, lift=0.1)
    found = {(c.kind, c.cell, c.metric): c for c in changes(control, treatment)}
    assert len(found) == len(CELLS) * len(METRICS)
    place = CELLS.index(("product", "shopping"))
    spend, clicks = (
        [sum(one[place, SUMS.index(name)] for one in own) for own in (control, treatment)]
        for name in ("spend", "clicks")
    )
    cpc = found["product", "shopping", "CPC"]
    assert cpc.change == pytest.approx(spend[1] / clicks[1] / (spend[0] / clicks[0]) - 1)
    assert cpc.low is not None
    assert cpc.high is not None
    assert cpc.low < cpc.change < cpc.high
    assert found["all", "all", "CTR"].significant
    assert found["all", "all", "CPC"].significant


def test_intervals_miss_nothing_as_often_as_they_say() -> None:
    """A/A: 1,600 intervals at 95 % where the arms do not differ; their error is about 0.8 %."""
    missed = [c.significant for seed in range(50) for c in changes(*arms(seed, 8))]
    assert np.mean(missed) == pytest.approx(0.05, abs=0.024)


def test_worse_is_a_higher_cost_and_less_of_the_others() -> None:
    sides = set()
    for lift in (-0.05, 0.05):
        for one in changes(*arms(0, 8, lift)):
            assert one.low is not None
            assert one.high is not None
            bad = one.low > 0 if one.metric in LOWER_IS_BETTER else one.high < 0
            if one.significant:
                assert one.better is not bad
            sides.add((one.metric, bad))
    assert {("CPC", True), ("CPC", False), ("CTR", True), ("CTR", False)} <= sides


def test_arms_that_are_one_do_not_differ_and_a_loss_without_spread_is_sure() -> None:
    control, _ = arms(0, 5)
    assert {c.change for c in changes(control, control)} == {0.0}
    lost = [one.copy() for one in control]
    for one in lost:
        one[:, SUMS.index("clicks")] /= 2
        one[:, SUMS.index("outbound_impressions")] = 0.0
    found = {c.metric: c for c in changes(control, lost) if c.kind == "all"}
    assert str(found["CTR"]) == "CTR -50.00% [-50.00%, -50.00%]"
    outbound = found["OCTR"]
    assert (outbound.change, outbound.low, outbound.significant) == (None, None, False)
    assert str(outbound) == "OCTR undefined"
