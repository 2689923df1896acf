"""Table 6: contributions of factors, with one seed and with several."""

from collections.abc import Callable
from datetime import date

import numpy as np
import pytest

from mtmd.config import Declarations, EvaluationConfig, Slice, Variant, variants
from mtmd.errors import EvaluationError
from mtmd.evaluate.contributions import contributions
from mtmd.evaluate.evaluation import evaluate_predictors
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.report import ALL, EVERYTHING, EvaluationReport
from mtmd.report.stages import factors_table

CONFIG = EvaluationConfig(buckets=5, interval_buckets=2, resamples=200)
LOSES = Variant(name="no_luck", factor="luck", patch={})
GAINS = Variant(name="more_luck", factor="more luck", added=True, patch={})


@pytest.fixture
def evaluated(
    make_day: Callable[..., HeldOutDay], declarations: Declarations
) -> Callable[..., EvaluationReport]:
    """`evaluated(no_luck=1.25)`: a report where every error of the variant is 1.25 times the candidate's."""

    def make(seed: int = 0, **scales: float) -> EvaluationReport:
        day = make_day(1500, seed=seed)
        log = np.log(np.nan_to_num(day.teacher, nan=0.1)).astype(np.float64)
        given = {name: log - 0.1 * scale for name, scale in {"mtmd": 1.0, **scales}.items()}
        return evaluate_predictors(date(2026, 1, 5), declarations, day, given, CONFIG)

    return make


def test_a_factor_is_worth_what_the_candidate_gains_over_the_variant(
    evaluated: Callable[..., EvaluationReport],
) -> None:
    """Errors 1.25 times as large without it: 1 − 1/1.25 = 20 %, in every bucket."""
    found = contributions([evaluated(no_luck=1.25)], [LOSES])
    assert [one.bucket for one in found] == [0, 1, None]
    for one in found:
        assert one.improvement is not None
        assert one.improvement.value == pytest.approx(0.2, abs=1e-5)
        assert one.clear


def test_an_added_factor_is_worth_what_the_variant_gains_over_the_candidate(
    evaluated: Callable[..., EvaluationReport],
) -> None:
    """The variant, which has the factor, has 0.8 times the errors: the factor is worth 20 %."""
    (*_, over_all) = contributions([evaluated(more_luck=0.8)], [GAINS])
    assert over_all.improvement is not None
    assert over_all.improvement.value == pytest.approx(0.2, abs=1e-5)
    assert over_all.improvement.low is not None
    assert over_all.improvement.low <= over_all.improvement.value + 1e-5


def test_bounds_of_an_added_factor_keep_their_order(evaluated: Callable[..., EvaluationReport]) -> None:
    report = evaluated(more_luck=0.8)
    pairs = [
        pair.model_copy(update={"low": -0.3, "high": -0.2, "log_ratio": np.log(1.25)})
        for pair in report.comparisons
    ]
    (*_, found) = contributions([report.model_copy(update={"comparisons": tuple(pairs)})], [GAINS])
    assert found.improvement is not None  # 1 − 1/1.2 and 1 − 1/1.3
    assert found.improvement.low == pytest.approx(1 / 6)
    assert found.improvement.high == pytest.approx(3 / 13)


def test_over_seeds_the_interval_is_students(evaluated: Callable[..., EvaluationReport]) -> None:
    """Gains of 1 − 1/1.1, 1 − 1/1.2, 1 − 1/1.3: mean 0.16278, s 0.07001, ± 4.303 s / √3; requests say nothing here."""
    reports = [evaluated(seed, no_luck=scale) for seed, scale in enumerate((1.1, 1.2, 1.3))]
    (*_, found) = contributions(reports, [LOSES])
    assert found.improvement is not None
    assert found.improvement.value == pytest.approx(0.162782, abs=1e-5)
    assert found.improvement.low == pytest.approx(0.162782 - 4.303 * 0.070007 / 3**0.5, abs=1e-4)
    assert not found.clear


def test_seeds_that_agree_do_not_make_the_days_requests_more(
    evaluated: Callable[..., EvaluationReport],
) -> None:
    """Three seeds with 10 % [4, 16] each: between seeds there is nothing, and ± 6 % of the requests are left."""
    report = evaluated(no_luck=1.0)
    pairs = [
        pair.model_copy(update={"low": 0.04, "high": 0.16, "log_ratio": np.log(0.9)})
        for pair in report.comparisons
    ]
    agreeing = report.model_copy(update={"comparisons": tuple(pairs)})
    (*_, found) = contributions([agreeing] * 3, [LOSES])
    assert found.improvement is not None
    assert found.improvement.low == pytest.approx(0.04)
    assert found.improvement.high == pytest.approx(0.16)


def test_both_kinds_of_noise_add_up_as_squares(evaluated: Callable[..., EvaluationReport]) -> None:
    """Gains of 1 − 1/1.1, … as above, ± 17.39 %, and ± 6 % of the requests: √(17.39² + 6²) %."""
    reports = []
    for scale in (1.1, 1.2, 1.3):
        report = evaluated(no_luck=scale)
        pairs = [
            pair.model_copy(
                update={"low": (pair.improvement or 0.0) - 0.06, "high": (pair.improvement or 0.0) + 0.06}
            )
            for pair in report.comparisons
        ]
        reports.append(report.model_copy(update={"comparisons": tuple(pairs)}))
    (*_, found) = contributions(reports, [LOSES])
    assert found.improvement is not None
    assert found.improvement.high == pytest.approx(0.162782 + (0.17392**2 + 0.06**2) ** 0.5, abs=1e-4)


def test_the_table_has_the_papers_form_and_says_what_is_noise(
    evaluated: Callable[..., EvaluationReport],
) -> None:
    reports = [evaluated(seed, no_luck=1.2, more_luck=scale) for seed, scale in enumerate((0.9, 1.1))]
    table = factors_table(reports, [LOSES, GAINS, *variants().values()])
    assert [column.name for column in table.columns] == ["factor", "0", "1", "all", "verdict"]
    assert table.title == "Contribution to LogMAE by rank bucket (0 = top), all tasks, 2026-01-05, 2 seeds"
    (luck, more) = table.rows
    assert (luck[0], luck[-1]) == ("luck", "helps")
    assert str(luck[3]) == "16.67% [16.67, 16.67]"
    assert (more[0], more[-1]) == ("more luck", "within noise")


def test_a_task_has_a_table_of_its_own(evaluated: Callable[..., EvaluationReport]) -> None:
    report = evaluated(no_luck=0.9)
    table = factors_table([report], [LOSES], Slice(ALL, ALL, "gctr"))
    assert table.title.endswith(
        ", gctr, 2026-01-05, one seed: below 5% is noise, which the intervals do not know of"
    )
    assert table.rows[0][-1] == "hurts"
    assert factors_table([evaluated(no_luck=0.96)], [LOSES]).rows[0][-1] == "within noise"
    assert factors_table([evaluated(seed, no_luck=0.96) for seed in (0, 1)], [LOSES]).rows[0][-1] == "hurts"
    assert report.compared("no_luck", EVERYTHING).improvement == pytest.approx(1 - 1 / 0.9, abs=1e-5)


def test_without_a_report_there_is_nothing_to_say() -> None:
    with pytest.raises(EvaluationError, match="need the report of one seed or more"):
        contributions([], [LOSES])
