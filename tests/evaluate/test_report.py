"""The report: round trip and look-ups."""

import math
from datetime import date

import pytest

from mtmd.config import Slice
from mtmd.errors import EvaluationError
from mtmd.evaluate.report import ALL, Comparison, EvaluationReport, SliceMetrics

CTR = Slice("search", "standard", "ctr")
EMPTY = Slice("search", "shopping", "ctr")
TOTAL = Slice(ALL, ALL, "ctr")


def metrics(predictor: str, where: Slice, bucket: int | None, logmae: float | None) -> SliceMetrics:
    return SliceMetrics(
        predictor=predictor,
        surface=where.surface,
        product=where.product,
        task=where.task,
        bucket=bucket,
        rows=10 if logmae is not None else 0,
        requests=2,
        logmae=logmae,
        kl=None,
        mae=None,
        bce=None,
        mean_prediction=None if logmae is None else 0.3,
        mean_teacher=None if logmae is None else 0.2,
        impressions=0,
        positives=0,
        auc=None,
        log_loss=None,
        calibration=None,
    )


def pair(where: Slice, bucket: int | None, error: float | None = 0.1) -> Comparison:
    ratio = math.log(0.3 / 0.4)
    return Comparison(
        reference="per_slice",
        **where._asdict(),
        bucket=bucket,
        requests=2.0,
        log_ratio=ratio,
        standard_error=error,
        low=0.1,
        high=0.4,
    )


@pytest.fixture
def report() -> EvaluationReport:
    rows = [
        metrics(predictor, where, bucket, value if where != EMPTY else None)
        for predictor, value in (("mtmd", 0.3), ("per_slice", 0.4))
        for where in (CTR, EMPTY, TOTAL)
        for bucket in (None, 0, 1)
    ]
    return EvaluationReport(
        as_of=date(2026, 1, 21),
        candidate="mtmd",
        predictors=("mtmd", "per_slice"),
        buckets=2,
        metrics=tuple(rows),
        comparisons=tuple(pair(where, bucket) for where in (CTR, TOTAL) for bucket in (None, 0)),
        confidence=0.95,
    )


def test_it_survives_json(report: EvaluationReport) -> None:
    assert EvaluationReport.model_validate_json(report.model_dump_json()) == report


def test_improvement_is_positive_when_the_error_is_smaller(report: EvaluationReport) -> None:
    assert report.improvement("mtmd", "per_slice", CTR) == pytest.approx(0.25)
    assert report.improvement("per_slice", "mtmd", CTR, 0) == pytest.approx(-1 / 3)


def test_looking_up_what_is_not_there_is_an_error(report: EvaluationReport) -> None:
    with pytest.raises(
        EvaluationError, match=r"no metrics of 'champion' on search × standard × ctr, bucket None"
    ):
        report.get("champion", CTR)
    with pytest.raises(EvaluationError, match=r"bucket 2; .*buckets: 0 to 1"):
        report.get("mtmd", CTR, 2)


def test_a_comparison_is_found_and_one_that_was_not_made_is_refused(report: EvaluationReport) -> None:
    assert report.compared("per_slice", TOTAL, 0).improvement == pytest.approx(0.25)
    with pytest.raises(
        EvaluationError,
        match=r"'mtmd' was not compared with 'per_slice' on search × standard × ctr, bucket 1",
    ):
        report.compared("per_slice", CTR, 1)


def test_p_values_are_the_normal_tail_of_the_excess_over_the_margin() -> None:
    """z = (ln 0.75 − ln 1.01) / 0.1 = −2.976: 1 − Φ(z) = 0.99854, by a table."""
    assert pair(CTR, None).worse_by_chance(0.01) == pytest.approx(0.99854, abs=1e-5)
    worse = pair(CTR, None).model_copy(update={"log_ratio": 0.196})
    assert worse.worse_by_chance(0.0) == pytest.approx(0.024998, abs=1e-6)
    certain = pair(CTR, None, error=0.0)
    assert certain.worse_by_chance(0.0) == 1.0
    assert certain.model_copy(update={"log_ratio": 1e-9}).worse_by_chance(0.0) == 0.0
    assert pair(CTR, None, error=None).worse_by_chance(0.0) is None
