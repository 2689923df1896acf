"""The candidate against its variants, and what each factor contributes, with one seed and with several (Table 6)."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from mtmd.config import Declarations, EvaluationConfig, Preset, Slice, Variant, variants
from mtmd.errors import ConfigError
from mtmd.evaluate import ablation as ablation_stage
from mtmd.evaluate import stage as evaluate_stage
from mtmd.evaluate.ablation import contributions
from mtmd.evaluate.evaluation import evaluate_predictors
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.report import ALL, EVERYTHING, Estimate, EvaluationReport
from mtmd.report.stages import factors_table
from mtmd.train import stage as train_stage
from mtmd.train.stage import Trained
from tests.daily import Done

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


@pytest.fixture
def variant(done: Done) -> Trained:
    return train_stage.train(done.plan, "mtmd", done.days.window, variant="no_dcn")


def test_each_seeds_variants_are_held_against_its_own_candidate_once(done: Done, variant: Trained) -> None:
    models = [done.trained[0], variant]
    ablated = ablation_stage.ablate(done.plan, models, done.days.held_out, ["post_norm: a reason"])
    assert (ablated.seeds, ablated.missing) == ((0,), ("post_norm: a reason",))
    (report,) = ablated.reports
    assert (report.candidate, report.predictors) == ("mtmd", ("mtmd", "no_dcn"))
    assert report.compared("no_dcn", EVERYTHING).improvement is not None
    (place,) = ablated.paths
    written = Path(place, "report.json").stat().st_mtime_ns
    assert ablation_stage.ablate(done.plan, models, done.days.held_out, ["post_norm: a reason"]) == ablated
    assert Path(place, "report.json").stat().st_mtime_ns == written
    other = [done.trained[0].model_copy(update={"seed": 1}), variant.model_copy(update={"seed": 1})]
    both = ablation_stage.ablate(done.plan, [*models, *other], done.days.held_out)
    assert (both.seeds, len(both.reports)) == ((0, 1), 2)


def test_an_ablation_without_variants_does_not_stand_in_for_the_days_evaluation(done: Done) -> None:
    """Where no rival is trained, both are about the same models."""
    ablated = ablation_stage.ablate(done.plan, done.trained[:1], done.days.held_out)
    evaluated = evaluate_stage.evaluate(done.plan, done.trained[:1], done.days, "20260121-0000000000")
    assert evaluated.path not in ablated.paths
    assert set(evaluated.report.predictors) == {"mtmd", "constant"}


def test_a_variant_that_the_preset_has_already_is_not_trained(done: Done, tiny_preset: Preset) -> None:
    model = tiny_preset.model.model_copy(update={"norm": "post"})
    plan = done.plan.model_copy(update={"preset": tiny_preset.model_copy(update={"model": model})})
    changing, same = ablation_stage.to_train(plan, ["no_dcn", "post_norm"])
    assert (changing, same) == (["no_dcn"], ["post_norm: preset tiny is that already"])
    with pytest.raises(ConfigError, match="'no_luck' is not known"):
        ablation_stage.to_train(plan, ["no_luck"])


def test_a_factor_is_worth_what_the_candidate_gains_over_the_variant(
    evaluated: Callable[..., EvaluationReport],
) -> None:
    """Errors 1.25 times as large without it: 1 − 1/1.25 = 20 %, in every bucket; with an added one they are 0.8."""
    (found,) = contributions([evaluated(no_luck=1.25)], [LOSES])
    (added,) = contributions([evaluated(more_luck=0.8)], [GAINS])
    for one in (found, added):
        assert [gain and gain.value for gain in one.improvements] == pytest.approx([0.2] * 3, abs=1e-5)
        assert one.verdict == "helps"


def _with(report: EvaluationReport, low: float, high: float, ratio: float | None = None) -> EvaluationReport:
    """The report with other bounds about the improvement, or about another ratio's."""
    pairs = []
    for pair in report.comparisons:
        middle = (pair.improvement or 0.0) if ratio is None else 0.0
        log_ratio = pair.log_ratio if ratio is None else np.log(ratio)
        changed = {"low": middle + low, "high": middle + high, "log_ratio": log_ratio}
        pairs.append(pair.model_copy(update=changed))
    return EvaluationReport.model_validate(report.model_dump() | {"comparisons": pairs})  # with new look-ups


def whole(reports: list[EvaluationReport], variant: Variant = LOSES) -> Estimate:
    (found,) = contributions(reports, [variant])
    assert found.improvements[-1] is not None
    return found.improvements[-1]


def test_bounds_of_an_added_factor_keep_their_order(evaluated: Callable[..., EvaluationReport]) -> None:
    found = whole([_with(evaluated(more_luck=0.8), -0.3, -0.2, 1.25)], GAINS)
    assert (found.low, found.high) == pytest.approx((1 / 6, 3 / 13))  # 1 − 1/1.2 and 1 − 1/1.3


def test_over_seeds_the_interval_is_students_and_has_the_requests_noise_too(
    evaluated: Callable[..., EvaluationReport],
) -> None:
    """Gains of 1 − 1/1.1, 1 − 1/1.2, 1 − 1/1.3: mean 0.16278, s 0.07001, ± 4.303 s / √3 = 17.39 %.

    With ± 6 % of the requests in each, √(17.39² + 6²) %; three seeds that agree keep the ± 6 %.
    """
    reports = [evaluated(seed, no_luck=scale) for seed, scale in enumerate((1.1, 1.2, 1.3))]
    found = whole(reports)
    assert found.value == pytest.approx(0.162782, abs=1e-5)
    assert found.low == pytest.approx(0.162782 - 4.303 * 0.070007 / 3**0.5, abs=1e-4)
    assert [one.verdict for one in contributions(reports, [LOSES])] == ["within noise"]
    found = whole([_with(report, -0.06, 0.06) for report in reports])
    assert found.high == pytest.approx(0.162782 + (0.17392**2 + 0.06**2) ** 0.5, abs=1e-4)
    found = whole([_with(evaluated(no_luck=1.0), 0.04, 0.16, 0.9)] * 3)
    assert (found.low, found.high) == pytest.approx((0.04, 0.16))


def test_the_table_has_the_papers_form_and_says_what_is_noise(
    evaluated: Callable[..., EvaluationReport],
) -> None:
    reports = [evaluated(seed, no_luck=1.2, more_luck=scale) for seed, scale in enumerate((0.9, 1.1))]
    table = factors_table(reports, [LOSES, GAINS, *variants("mtmd").values()])
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
