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
from mtmd.evaluate.metrics import METRICS
from mtmd.evaluate.report import ALL, Comparison, EvaluationReport, SliceMetrics

AS_OF = date(2026, 1, 21)
CONFIG = EvaluationConfig(buckets=5, winners=2, kept=4)


def predict(day: HeldOutDay, seed: int, noise: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.minimum(
        np.log(np.nan_to_num(day.teacher, nan=0.5)) + noise * rng.normal(size=day.teacher.shape), -0.01
    )


@pytest.fixture(scope="module")
def day(make_day) -> HeldOutDay:
    """Some rows have no score of a task that exists there, and of some impressions nobody knows what came of them."""
    day: HeldOutDay = make_day(900, seed=3)
    day.teacher[np.flatnonzero(day.domain == 2)[:3], 1] = np.nan
    day.labels[np.flatnonzero(day.impressed)[:4]] = -1
    return day


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


def cascade(day: HeldOutDay, log_p: np.ndarray, task: int) -> tuple[set[int], set[int], set[int]]:
    """Rows that the heavyweight ranker puts on top of their request; those that a cut can lose; those that it keeps."""
    top, contested, kept = set(), set(), set()
    for request in sorted(set(day.request.tolist())):
        rows = [i for i in np.flatnonzero(day.request == request) if not np.isnan(day.teacher[i, task])]
        best = sorted(rows, key=lambda i: (-day.teacher[i, task], i))[: CONFIG.winners]
        top |= set(best)
        if len(rows) > CONFIG.kept:
            contested |= set(best)
            kept |= set(best) & set(sorted(rows, key=lambda i: (-log_p[i, task], i))[: CONFIG.kept])
    return top, contested, kept


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
    kl = {r: t * math.log(t / p) + (1 - t) * math.log((1 - t) / (1 - p)) for r, (p, t) in zip(rows, pairs)}  # noqa: B905
    top, contested, kept = (some & set(rows) for some in cascade(day, log_p, task))
    return {
        "rows": len(rows),
        "requests": len({int(day.request[r]) for r in rows}),
        "logmae": mean([abs(math.log(p) - math.log(t)) for p, t in pairs]),
        "mae": mean([abs(p - t) for p, t in pairs]),
        "bce": mean([-t * math.log(p) - (1 - t) * math.log(1 - p) for p, t in pairs]),
        "kl": mean(list(kl.values())),
        "contested": len(contested),
        "recall": len(kept) / len(contested) if contested else None,
        "winner_kl": mean([kl[row] for row in top]),
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
        sure = {metric.name for metric in METRICS if metric.sure and metric.source != "actions"}
        assert set(found.errors) == (sure if bucket is None else set())
        for name, value in literal(day, declarations, log_p, found).items():
            assert getattr(found, name) == (value if value is None else pytest.approx(value, abs=1e-9)), (
                where,
                name,
            )


def test_the_measures_of_a_cascade_by_hand(declarations: Declarations) -> None:
    """One ad wins, two are kept. The first request's winner is last of three; the third request has only two ads.

    KL(0.4 ‖ 0.1) = 0.4 ln 4 + 0.6 ln(0.6/0.9) = 0.3112, of three winners. Ads with equal scores are in their order.
    """
    teacher = np.array([0.4, 0.2, 0.1, 0.3, 0.2, 0.1, 0.4, 0.2], np.float32)
    guessed = np.array([0.1, 0.3, 0.2, 0.3, 0.2, 0.1, 0.4, 0.2])
    request, rows = np.array([0, 0, 0, 1, 1, 1, 2, 2]), len(teacher)
    scores = np.full((rows, 3), np.nan, np.float32)
    scores[:, 0] = teacher
    labels = np.full((rows, 3), -1, np.int8)
    day = HeldOutDay(scores, labels, np.zeros(rows, np.bool_), np.array([0, 1, 0, 0, 1, 1, 0, 1]), request)
    log_p = {"mtmd": np.log(guessed), "constant": np.full(rows, -1.0)}
    given = {name: np.repeat(own[:, None], 3, axis=1) for name, own in log_p.items()}
    config = CONFIG.model_copy(update={"winners": 1, "kept": 2})
    report = evaluate_predictors(AS_OF, declarations, day, given, config)
    found, other = report.get("mtmd", Slice(ALL, ALL, "ctr")), report.get("constant", Slice(ALL, ALL, "ctr"))
    assert (found.contested, found.recall, other.recall) == (2, 0.5, 1.0)
    assert found.winner_kl == pytest.approx((0.4 * math.log(4) + 0.6 * math.log(0.6 / 0.9)) / 3, rel=1e-6)
    pair = report.compared("constant", Slice(ALL, ALL, "ctr"), metric="recall")
    assert pair.log_ratio == pytest.approx(math.log(2))  # worse, though the ratio of recalls is 1/2
    assert pair.requests == 2.0


def test_empty_slices_have_zero_rows_and_no_numbers(declarations: Declarations, make_day) -> None:
    day = make_day(50, only=(0, 1))
    report = evaluate_predictors(AS_OF, declarations, day, {"mtmd": predict(day, 0, 0.1)}, CONFIG)
    empty = report.get("mtmd", Slice("search", "standard", "octr"))
    assert (empty.rows, empty.requests, empty.impressions, empty.positives) == (0, 0, 0, 0)
    assert [metric.of(empty) for metric in METRICS] == [None] * len(METRICS)
    assert empty.errors == {}
    assert report.get("mtmd", Slice("home_feed", "standard", "octr")).rows > 0


def test_impressions_without_actions_have_a_log_loss_but_no_auc_or_calibration(
    declarations: Declarations, acting: Declarations, make_day
) -> None:
    """Nor an NE, where a task learns from actions."""
    day = make_day(200)
    day = replace(day, labels=np.minimum(day.labels, 0))
    given = {"mtmd": predict(day, 0, 0.1)}
    found = evaluate_predictors(AS_OF, declarations, day, given, CONFIG).metrics[0]
    assert found.impressions > 0
    assert found.log_loss is not None
    assert (found.positives, found.auc, found.calibration) == (0, None, None)
    day.teacher[:, :2] = np.where(day.labels >= 0, day.labels, np.nan)[:, :2]
    found = evaluate_predictors(AS_OF, acting, day, given, CONFIG).metrics[0]
    assert found.errors.keys() == {"log_loss", "mean_prediction"}
    assert (found.ne, found.auc, found.calibration) == (None, None, None)


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
    log_p = np.full((50, 3), 1e-7, dtype=np.float32)
    found = evaluate_predictors(AS_OF, declarations, make_day(50), {"mtmd": log_p}, CONFIG).metrics[0]
    assert found.bce is not None
    assert math.isfinite(found.bce)


def test_a_task_that_learns_from_actions_is_measured_on_shown_ads_by_ne(
    acting: Declarations, make_day
) -> None:
    """NE's unit is the entropy of each slice's own rate; the report also survives JSON, which has no NaN."""
    day = make_day(3000, seed=3)
    given = {"mtmd": predict(day, 1, 0.1), "per_slice": predict(day, 2, 0.5)}
    day.teacher[:, :2] = np.where(day.labels >= 0, day.labels, np.nan)[:, :2]
    report = evaluate_predictors(AS_OF, acting, day, given, CONFIG)
    losses, units = np.zeros(2), 0.0
    for domain in range(6):
        rows = np.flatnonzero((day.domain == domain) & ~np.isnan(day.teacher[:, 1]))
        acted, rate = day.teacher[rows, 1] == 1, float(day.teacher[rows, 1].mean())
        own = [np.where(acted, p[rows, 1], np.log1p(-np.exp(p[rows, 1]))) for p in given.values()]
        unit = -len(rows) * (rate * math.log(rate) + (1 - rate) * math.log(1 - rate))
        where = report.slices[[at.task for at in report.slices].index("gctr")]._replace(
            **acting.domains.domains[domain]._asdict()
        )
        found, pair = report.get("mtmd", where), report.compared("per_slice", where)
        assert (found.rows, found.ne) == (len(rows), pytest.approx(-own[0].sum() / unit))
        assert found.calibration == pytest.approx(np.exp(given["mtmd"][rows, 1]).sum() / acted.sum())
        assert set(found.errors) == {"ne", "auc", "log_loss", "mean_prediction", "calibration"}
        assert pair.improvement == pytest.approx(1 - own[0].sum() / own[1].sum(), abs=1e-6)
        losses, units = losses - [one.sum() for one in own], units + unit
    assert report.get("per_slice", Slice(ALL, ALL, "gctr")).ne == pytest.approx(losses[1] / units)
    assert {(m.task, m.bucket is None, m.logmae is None) for m in report.metrics if m.rows} == {
        ("ctr", True, True), ("gctr", True, True), ("octr", True, False), ("octr", False, False),
    }  # fmt: skip
    assert {c.metric for c in report.comparisons if c.task == "ctr"} == {"ne"}
    text = report.model_dump_json()
    json.loads(text, parse_constant=pytest.fail)
    assert EvaluationReport.model_validate_json(text) == report


def test_errors_are_those_of_drawing_whole_requests(declarations: Declarations) -> None:
    """400 requests of five rows that are alike in the score, in the error and in what the user did."""
    random = np.random.default_rng(7)
    request = np.repeat(np.arange(400), 5)
    mood, rows = random.normal(size=400)[request], len(request)
    log_t = np.minimum(-2.0 + 0.5 * mood + 0.3 * random.normal(size=rows), -1e-3)
    own = np.minimum(log_t + 0.2 * mood + 0.2 * random.normal(size=rows), -1e-3)
    teacher, labels = np.full((rows, 3), np.nan, np.float32), np.full((rows, 3), -1, np.int8)
    teacher[:, 0] = np.exp(log_t)
    labels[:, 0] = acted = random.random(rows) < teacher[:, 0]
    day = HeldOutDay(teacher, labels, np.ones(rows, np.bool_), np.zeros(rows, np.int64), request)
    drawn = []
    for _ in range(600):
        some = (random.integers(0, 400, 400)[:, None] * 5 + np.arange(5)).ravel()
        p, t = own[some], teacher[some, 0].astype(float)
        drawn.append(np.log([np.abs(p - np.log(t)).mean(), np.exp(p).mean() / t.mean(), np.exp(p).mean()]))
    report = evaluate_predictors(
        AS_OF, declarations, day, {"mtmd": np.repeat(own[:, None], 3, axis=1)}, CONFIG
    )
    for where in (Slice("home_feed", "standard", "ctr"), Slice(ALL, ALL, "ctr")):
        errors = report.get("mtmd", where).errors
        named = [errors[name] for name in ("logmae", "teacher_calibration", "mean_prediction")]
        assert named == pytest.approx(list(np.std(drawn, axis=0, ddof=1)), rel=0.1)
    assert acted.any()


def test_p_values_are_the_normal_tail_of_the_excess_over_the_margin() -> None:
    """z = (ln 0.75 − ln 1.01) / 0.1 = −2.976: 1 − Φ(z) = 0.99854, by a table."""
    pair = Comparison(
        reference="per_slice", surface="search", product="standard", task="ctr", bucket=None, requests=2.0,
        log_ratio=math.log(0.75), standard_error=0.1, low=0.1, high=0.4,
    )  # fmt: skip
    assert pair.improvement == pytest.approx(0.25)
    assert pair.worse_by_chance(0.01) == pytest.approx(0.99854, abs=1e-5)
    assert pair.model_copy(update={"log_ratio": 0.196}).worse_by_chance(0.0) == pytest.approx(
        0.024998, abs=1e-6
    )
    certain = pair.model_copy(update={"standard_error": 0.0})
    assert certain.worse_by_chance(0.0) == 1.0
    assert certain.model_copy(update={"log_ratio": 1e-9}).worse_by_chance(0.0) == 0.0
    assert pair.model_copy(update={"standard_error": None}).worse_by_chance(0.0) is None
