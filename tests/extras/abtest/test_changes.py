"""Relative changes and their intervals."""

import numpy as np
import pytest

from mtmd.errors import EvaluationError
from mtmd.extras.abtest.arms import CELLS, SUMS, Arm
from mtmd.extras.abtest.changes import FURTHER_METRICS, LOWER_IS_BETTER, METRICS, changes


def arms(seed: int, samples: int, lift: float = 0.0) -> tuple[list[Arm], list[Arm]]:
    """Paired arms whose samples differ by more than the arms, as days do; the treatment's clicks are lifted."""
    rng = np.random.default_rng(seed)
    day = np.exp(0.2 * rng.standard_normal((samples, 1, 1)))
    sums = [
        100 * day * np.exp(0.02 * rng.standard_normal((samples, len(CELLS), len(SUMS)))) for _ in range(2)
    ]
    sums[1][..., SUMS.index("clicks")] *= 1 + lift
    return tuple([Arm(one, 1.0) for one in own] for own in sums)  # type: ignore[return-value]


def test_metrics_are_ratios_of_sums_over_all_samples() -> None:
    control, treatment = arms(0, 6, lift=0.1)
    found = {(c.kind, c.cell, c.metric): c for c in changes(control, treatment)}
    assert len(found) == len(CELLS) * len(METRICS | FURTHER_METRICS)
    clicks, spend = SUMS.index("clicks"), SUMS.index("spend")
    place = CELLS.index(("product", "shopping"))
    rates = [
        sum(a.expected[place, spend] for a in own) / sum(a.expected[place, clicks] for a in own)
        for own in (control, treatment)
    ]
    cpc = found["product", "shopping", "CPC"]
    assert (cpc.control, cpc.treatment) == pytest.approx(rates)
    assert cpc.change == pytest.approx(rates[1] / rates[0] - 1)
    assert cpc.change is not None
    assert cpc.low is not None
    assert cpc.high is not None
    assert cpc.low < cpc.change < cpc.high
    assert found["all", "all", "CTR"].significant
    assert found["all", "all", "CPC"].significant


def test_a_world_without_further_tasks_has_no_metrics_of_them() -> None:
    both = arms(0, 6)
    for one in (*both[0], *both[1]):
        for _, below in FURTHER_METRICS.values():
            one.expected[:, SUMS.index(below)] = 0.0
    assert list(dict.fromkeys(c.metric for c in changes(*both))) == list(METRICS)


def test_intervals_miss_nothing_as_often_as_they_say() -> None:
    """A/A: 3,200 intervals at 95 % where the arms do not differ; their error is about 0.6 %."""
    missed = [c.significant for seed in range(50) for c in changes(*arms(seed, 8))]
    assert np.mean(missed) == pytest.approx(0.05, abs=0.018)


def test_a_cell_without_actions_has_no_change() -> None:
    control, treatment = arms(0, 5)
    for one in (*control, *treatment):
        one.expected[:, SUMS.index("outbound_impressions")] = 0.0
    found = [c for c in changes(control, treatment) if c.metric == "OCTR"]
    assert {c.change for c in found} == {c.low for c in found} == {c.control for c in found} == {None}
    assert {c.worse for c in found} == {None}
    assert str(found[0]) == "OCTR undefined"
    assert not any(c.significant for c in found)


def test_worse_is_a_higher_cost_and_hide_rate_and_less_of_the_others() -> None:
    """A p-value below 0.025 and an interval at 95 % that is wholly on the bad side are one and the same."""
    sides = set()
    for lift in (-0.05, 0.05):
        for one in changes(*arms(0, 8, lift)):
            assert one.worse is not None
            assert one.low is not None
            assert one.high is not None
            bad = one.low > 0 if one.metric in LOWER_IS_BETTER else one.high < 0
            assert (one.worse < 0.025) is bad, one
            if one.significant:
                assert one.better is not bad
            sides.add((one.metric, bad))
    assert {("CPC", True), ("CPC", False), ("CTR", True), ("CTR", False)} <= sides


def test_arms_that_are_one_are_not_worse_and_a_loss_without_spread_is() -> None:
    control, _ = arms(0, 5)
    assert {c.worse for c in changes(control, control)} == {1.0}
    lost = [Arm(one.expected.copy(), 1.0) for one in control]
    for one in lost:
        one.expected[:, SUMS.index("clicks")] /= 2
    found = {c.metric: c for c in changes(control, lost) if c.kind == "all"}
    assert found["CTR"].worse == pytest.approx(0.0, abs=1e-9)
    assert found["CPC"].worse == pytest.approx(0.0, abs=1e-9)
    assert str(found["CTR"]) == "CTR -50.00% [-50.00%, -50.00%]"


def test_too_few_samples_are_refused() -> None:
    control, treatment = arms(0, 6)
    with pytest.raises(EvaluationError, match="control has 4 samples of traffic and treatment 4"):
        changes(control[:4], treatment[:4])
    with pytest.raises(EvaluationError, match="control has 6 samples of traffic and treatment 5"):
        changes(control, treatment[:5])
