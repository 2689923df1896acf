"""When a figure, a feature's drift or missing logs are a breach, and when the monitor keeps quiet."""

import math
from datetime import date, timedelta

import pytest

from mtmd.config import MonitorConfig
from mtmd.evaluate.report import EvaluationReport, SliceMetrics
from mtmd.monitor.health import FeatureShift, Finding, drift_findings, freshness_findings, score_findings

DAY = date(2026, 1, 10)
ONE = timedelta(days=1)
CONFIG = MonitorConfig()
WATCHED = ("logmae", "teacher_calibration", "auc", "mean_prediction")
SMALL = {"logmae": 0.01, "teacher_calibration": 0.01, "mean_prediction": 0.01, "auc": 0.005}
WIDE = {"logmae": 0.2, "teacher_calibration": 0.2, "mean_prediction": 0.2, "auc": 0.1}


def metrics(day: date = DAY, **changed: object) -> EvaluationReport:
    given: dict[str, object] = {
        "predictor": "mtmd", "surface": "search", "product": "standard", "task": "ctr", "bucket": None,
        "rows": 5000, "requests": 400, "logmae": 0.4, "mean_prediction": 0.05, "mean_teacher": 0.05,
        "impressions": 2000, "positives": 200, "auc": 0.7, "errors": SMALL,
    }  # fmt: skip
    return EvaluationReport(
        as_of=day, candidate="mtmd", predictors=("mtmd",), buckets=2, comparisons=(), confidence=0.95,
        metrics=(SliceMetrics.model_validate(given | changed),),
    )  # fmt: skip


def findings(now: EvaluationReport, promotion: EvaluationReport | None = None) -> list[Finding]:
    return score_findings(now, promotion or metrics(DAY - ONE), CONFIG)


def breaches(found: list[Finding]) -> dict[str, str]:
    return {one.signal: one.words for one in found if one.breach}


def test_a_day_like_the_promotions_is_quiet() -> None:
    for now in (metrics(), metrics(logmae=0.43, auc=0.66, mean_prediction=0.056)):
        assert [(one.signal, one.judged, one.breach, one.words) for one in findings(now)] == [
            (name, True, False, "") for name in WATCHED
        ]


@pytest.mark.parametrize(
    ("changed", "signal", "said"),
    [
        # ±: 1.96 · √(0.01² · 2 + (ln 1.1 / 3)²) = 0.0681, which is 7 %
        ({"logmae": 0.51}, "logmae",
         "search × standard × ctr: LogMAE 0.51 against 0.4 at promotion (+27%, by chance ±7%)"),
        ({"mean_prediction": 0.0665}, "teacher_calibration", "to teacher 1.33 against 1 at promotion (+33%"),
        ({"mean_prediction": 0.0375}, "teacher_calibration", "to teacher 0.75 against 1 at promotion (-25%"),
        ({"auc": 0.6}, "auc", "AUC 0.6 against 0.7 at promotion (-0.100, by chance ±0.035)"),
        ({"mean_prediction": 0.09, "mean_teacher": 0.09}, "mean_prediction",
         "mean prediction 0.09 against 0.05 at promotion (+80%, by chance ±31%)"),
    ],
)  # fmt: skip
def test_a_figure_that_moved_beyond_chance_is_a_breach(
    changed: dict[str, float], signal: str, said: str
) -> None:
    found = breaches(findings(metrics(**changed)))
    assert set(found) == {signal}
    assert said in found[signal]


@pytest.mark.parametrize(
    "changed",
    [
        {"logmae": 0.2, "auc": 0.9},  # better
        {"logmae": 0.51, "auc": 0.6, "mean_prediction": 0.09, "errors": WIDE},  # among few requests
        {"logmae": 0.4 * 1.099, "auc": 0.651, "mean_prediction": 0.05 * 1.149},  # less than the least change
    ],
)
def test_what_is_better_or_small_or_noise_is_no_breach(changed: dict[str, object]) -> None:
    assert breaches(findings(metrics(**changed))) == {}


def test_noise_has_the_errors_of_both_days_and_grows_with_their_distance() -> None:
    noise = math.sqrt(0.01**2 + 0.05**2 + 3 * (math.log(1.1) / 3) ** 2)
    promotion = metrics(DAY - 3 * ONE, errors=SMALL | {"logmae": 0.05})
    said = breaches(findings(metrics(logmae=0.6), promotion))["logmae"]
    assert said.endswith(f"(+50%, by chance ±{math.expm1(1.96 * noise):.0%})")


def test_chance_is_corrected_for_all_figures_of_the_day() -> None:
    """z = 2.76 of one figure: p = 0.003 alone is below 0.01, and four times that is not."""
    assert breaches(findings(metrics(logmae=0.4402))) == {}
    alone = {"errors": {"logmae": 0.01}}
    assert set(breaches(findings(metrics(logmae=0.4402, **alone)))) == {"logmae"}


def test_too_little_data_is_shown_and_says_so() -> None:
    found = findings(metrics(requests=99, positives=99, logmae=4.0, auc=0.1, mean_prediction=0.5))
    assert [(one.judged, one.breach) for one in found] == [(False, False)] * 4
    assert [one.value for one in found] == [4.0, 10.0, 0.1, 0.5]
    requests = "99 requests, 100 are needed"
    assert [one.words for one in found] == [requests, requests, "99 actions, 100 are needed", requests]
    (logmae, *_) = findings(metrics(), metrics(DAY - ONE, requests=99))
    assert logmae.words == "99 requests at promotion, 100 are needed"
    for undefined in ({"logmae": None, "auc": None, "mean_prediction": None}, {"errors": {}}):
        assert [(one.judged, one.words) for one in findings(metrics(**undefined))] == [
            (False, "undefined")
        ] * 4


def test_logs_must_be_there_and_the_champion_recent() -> None:
    def words(newest: date | None, champion: date | None) -> list[str]:
        return [one.words for one in freshness_findings(DAY, newest, champion, CONFIG) if one.breach]

    assert words(DAY, date(2026, 1, 7)) == []
    assert words(date(2026, 1, 9), DAY) == ["the newest logs are of 2026-01-09, not of 2026-01-10"]
    assert words(DAY, date(2026, 1, 6)) == [
        "the champion is of 2026-01-06, at most 3 days before 2026-01-10 are allowed"
    ]
    assert words(None, None) == ["the newest logs are of no day, not of 2026-01-10", "there is no champion"]


def shift(day: int, psi: float, rows: int = 500) -> FeatureShift:
    return FeatureShift(
        day=date(2026, 1, day), side="query", feature="country", domain="search", rows=rows, psi=psi
    )


@pytest.mark.parametrize(
    ("usual", "psi", "rows", "age", "words"),
    [
        (0.05, 0.24, 500, 1, ""),  # below the convention
        (0.05, 0.26, 500, 1, "country × search: PSI 0.26 is above 0.25"),
        (0.20, 0.59, 500, 1, ""),  # moves as much on other days
        (0.20, 0.61, 500, 1, "country × search: PSI 0.61 is above 0.60"),
        (0.20, 1.03, 500, 3, ""),  # features may drift further from an older champion's days: 0.6 · √3 = 1.04
        (0.20, 1.03, 500, 2, "country × search: PSI 1.03 is above 0.85"),
        (0.05, 9.00, 49, 1, "49 rows, 50 are needed"),
    ],
)
def test_drift_must_be_large_and_larger_than_usual(
    usual: float, psi: float, rows: int, age: int, words: str
) -> None:
    shifts = [shift(8, usual), shift(9, usual / 2), shift(10, psi, rows)]
    (found,) = drift_findings(shifts, DAY, DAY - age * ONE, CONFIG)
    assert (found.where, found.value, found.reference) == ("country × search", psi, usual)
    assert (found.judged, found.breach) == (rows >= 50, "above" in words)
    assert found.words == words
