"""The whole evaluation against a slow, literal oracle, and its edges."""

import json
import math
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from mtmd.config import Declarations, EvaluationConfig, Slice
from mtmd.errors import EvaluationError
from mtmd.evaluate.evaluation import evaluate_predictors
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.report import ALL, EvaluationReport, SliceMetrics

AS_OF = date(2026, 1, 21)
CONFIG = EvaluationConfig(buckets=5)


def predict(day: HeldOutDay, seed: int, noise: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.minimum(
        np.log(np.nan_to_num(day.teacher, nan=0.5)) + noise * rng.normal(size=day.teacher.shape), -0.01
    )


@pytest.fixture(scope="module")
def day(make_day) -> HeldOutDay:
    return make_day(900, seed=3)


@pytest.fixture(scope="module")
def report(day: HeldOutDay, declarations: Declarations) -> EvaluationReport:
    predictions = {"mtmd": predict(day, 1, 0.1), "per_slice": predict(day, 2, 0.5)}
    return evaluate_predictors(AS_OF, declarations, day, predictions, CONFIG)


def members(day: HeldOutDay, declarations: Declarations, where: Slice) -> list[tuple[int, int]]:
    """(row, bucket) of each row of a slice, or of all slices of an aggregate's task; one row at a time."""
    task = declarations.domains.task_names.index(where.task)
    found = []
    for d, domain in enumerate(declarations.domains.domains):
        if where.surface not in (ALL, domain.surface) or where.product not in (ALL, domain.product):
            continue
        rows = [
            i for i in range(len(day.domain)) if day.domain[i] == d and not np.isnan(day.teacher[i, task])
        ]
        by_rank = sorted(rows, key=lambda i: (-day.teacher[i, task], i))
        found += [(row, rank * CONFIG.buckets // len(rows)) for rank, row in enumerate(by_rank)]
    return found


def literal(
    day: HeldOutDay, declarations: Declarations, log_p: np.ndarray, found: SliceMetrics
) -> dict[str, float]:
    task = declarations.domains.task_names.index(found.task)
    rows = [r for r, b in members(day, declarations, found.slice) if found.bucket in (None, b)]
    pairs = [(math.exp(log_p[r, task]), float(day.teacher[r, task])) for r in rows]
    shown = [(math.exp(log_p[r, task]), int(day.labels[r, task])) for r in rows if day.labels[r, task] >= 0]
    positive, negative = [p for p, y in shown if y], [p for p, y in shown if not y]
    wins = [(p > n) + 0.5 * (p == n) for p in positive for n in negative]
    mean = lambda values: sum(values) / len(values) if values else None  # noqa: E731
    return {
        "rows": len(rows),
        "requests": len({int(day.request[r]) for r in rows}),
        "logmae": mean([abs(math.log(p) - math.log(t)) for p, t in pairs]),
        "mae": mean([abs(p - t) for p, t in pairs]),
        "bce": mean([-t * math.log(p) - (1 - t) * math.log(1 - p) for p, t in pairs]),
        "kl": mean([t * math.log(t / p) + (1 - t) * math.log((1 - t) / (1 - p)) for p, t in pairs]),
        "mean_prediction": mean([p for p, _ in pairs]),
        "mean_teacher": mean([t for _, t in pairs]),
        "impressions": len(shown),
        "positives": len(positive),
        "auc": mean(wins),
        "log_loss": mean([-math.log(p if y else 1 - p) for p, y in shown]),
        "calibration": sum(p for p, _ in shown) / len(positive) if positive else None,
    }


@pytest.mark.parametrize("bucket", [None, 0, 4])
def test_every_number_equals_the_literal_definition(
    day: HeldOutDay, declarations: Declarations, report: EvaluationReport, bucket: int | None
) -> None:
    log_p = predict(day, 2, 0.5)
    for where in (*report.slices, *report.aggregates):
        found = report.get("per_slice", where, bucket)
        for name, value in literal(day, declarations, log_p, found).items():
            assert getattr(found, name) == (value if value is None else pytest.approx(value, abs=1e-9)), (
                where,
                name,
            )


def test_empty_slices_have_zero_rows_and_no_numbers(declarations: Declarations, make_day) -> None:
    day = make_day(50, only=(0, 1))
    report = evaluate_predictors(AS_OF, declarations, day, {"mtmd": predict(day, 0, 0.1)}, CONFIG)
    empty = report.get("mtmd", Slice("search", "standard", "octr"))
    assert (empty.rows, empty.requests, empty.impressions, empty.positives) == (0, 0, 0, 0)
    undefined = empty.model_dump(exclude={"rows", "requests", "impressions", "positives", "bucket"})
    names = {"predictor", "surface", "product", "task"}
    assert all(value is None for name, value in undefined.items() if name not in names)
    assert report.get("mtmd", Slice("home_feed", "standard", "octr")).rows > 0


def test_impressions_without_actions_have_a_log_loss_but_no_auc_or_calibration(
    declarations: Declarations, make_day
) -> None:
    day = make_day(200)
    day = replace(day, labels=np.minimum(day.labels, 0))
    found = evaluate_predictors(AS_OF, declarations, day, {"mtmd": predict(day, 0, 0.1)}, CONFIG).metrics[0]
    assert found.impressions > 0
    assert found.log_loss is not None
    assert (found.positives, found.auc, found.calibration) == (0, None, None)


def test_values_where_the_task_does_not_apply_are_not_read(declarations: Declarations, make_day) -> None:
    day = make_day(300)
    log_p = predict(day, 0, 0.2)
    clean = evaluate_predictors(AS_OF, declarations, day, {"mtmd": log_p}, CONFIG)
    dirty = np.where(np.isnan(day.teacher), np.nan, log_p)
    assert evaluate_predictors(AS_OF, declarations, day, {"mtmd": dirty}, CONFIG) == clean


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.25])
def test_a_prediction_that_is_no_log_probability_is_an_error(
    declarations: Declarations, make_day, value: float
) -> None:
    day = make_day(100)
    log_p = predict(day, 0, 0.1)
    rows = np.flatnonzero(day.domain == 2)
    log_p[rows[:2], 2] = value
    expected = rf"'per_slice' on search × standard × octr: 2 of {len(rows)} .* such as {value}"
    with pytest.raises(EvaluationError, match=expected):
        evaluate_predictors(
            AS_OF, declarations, day, {"mtmd": predict(day, 0, 0.1), "per_slice": log_p}, CONFIG
        )


def test_a_log_probability_that_rounding_lifts_above_zero_is_accepted(
    declarations: Declarations, make_day
) -> None:
    day = make_day(50)
    log_p = np.full((50, 3), 1e-7, dtype=np.float32)
    found = evaluate_predictors(AS_OF, declarations, day, {"mtmd": log_p}, CONFIG).metrics[0]
    assert found.bce is not None
    assert math.isfinite(found.bce)


def test_the_json_has_no_nan(declarations: Declarations, make_day) -> None:
    day = make_day(60, only=(0,))
    report = evaluate_predictors(AS_OF, declarations, day, {"mtmd": predict(day, 0, 0.1)}, CONFIG)
    json.loads(report.model_dump_json(), parse_constant=pytest.fail)
