"""When the monitor calls a day a breach, and when it keeps quiet."""

from datetime import date

import pytest

from mtmd.config import MonitorConfig
from mtmd.evaluate.report import EvaluationReport, SliceMetrics
from mtmd.monitor.health import Finding, MonitorReport, drift_findings, freshness_findings, score_findings
from mtmd.monitor.profiles import FeatureShift

DAY = date(2026, 1, 10)
CONFIG = MonitorConfig()


def metrics(**changed: object) -> EvaluationReport:
    given: dict[str, object] = {
        "predictor": "mtmd", "surface": "search", "product": "standard", "task": "ctr", "bucket": None,
        "rows": 5000, "requests": 400, "logmae": 0.4, "kl": 0.01, "mae": 0.01, "bce": 0.2,
        "mean_prediction": 0.05, "mean_teacher": 0.05, "impressions": 2000, "positives": 200, "auc": 0.7,
        "log_loss": 0.2, "calibration": 1.0,
    }  # fmt: skip
    one = SliceMetrics.model_validate(given | changed)
    return EvaluationReport(
        as_of=DAY,
        candidate="mtmd",
        predictors=("mtmd",),
        buckets=2,
        metrics=(one,),
        comparisons=(),
        confidence=0.95,
    )


def breaches(now: EvaluationReport, promotion: EvaluationReport | None = None) -> dict[str, str]:
    found = score_findings(now, promotion or metrics(), CONFIG)
    return {one.signal: one.words for one in found if one.breach}


def test_a_day_like_the_promotions_is_quiet() -> None:
    assert breaches(metrics()) == {}
    assert breaches(metrics(logmae=0.49, auc=0.66, mean_prediction=0.06)) == {}


@pytest.mark.parametrize(
    ("changed", "signal", "words"),
    [
        (
            {"logmae": 0.51},
            "logmae",
            "search × standard × ctr: LogMAE 0.51 against 0.4 at promotion, at most +25%",
        ),
        ({"mean_prediction": 0.07}, "calibration", "mean teacher 1.4 must be between 0.75 and 1.33"),
        ({"auc": 0.64}, "auc", "AUC 0.64 against 0.7 at promotion, at most 0.05 less"),
        (
            {"mean_prediction": 0.09, "mean_teacher": 0.09},
            "score shift",
            "mean prediction +80% since promotion (the teacher's: +80%)",
        ),
    ],
)
def test_a_figure_that_moved_too_far_is_a_breach(changed: dict[str, float], signal: str, words: str) -> None:
    found = breaches(metrics(**changed))
    assert set(found) == {signal}
    assert words in found[signal]


def test_too_little_data_is_shown_and_not_judged() -> None:
    now = metrics(requests=99, positives=99, logmae=4.0, auc=0.1, mean_prediction=0.5)
    found = list(score_findings(now, metrics(), CONFIG))
    assert [one.judged for one in found] == [False] * 4
    assert [one.breach for one in found] == [False] * 4
    assert [one.value for one in found] == [4.0, 10.0, 0.1, 0.5]


def test_figures_that_are_undefined_are_not_judged() -> None:
    now = metrics(logmae=None, auc=None, mean_prediction=None)
    assert [one.judged for one in score_findings(now, metrics(), CONFIG)] == [False] * 4


def test_logs_must_be_there_and_the_champion_recent() -> None:
    def words(newest: date | None, champion: date | None) -> list[str]:
        return [one.words for one in freshness_findings(DAY, newest, champion, CONFIG) if one.breach]

    assert words(DAY, date(2026, 1, 7)) == []
    assert words(date(2026, 1, 9), DAY) == ["the newest logs are of 2026-01-09, not of 2026-01-10"]
    assert words(DAY, date(2026, 1, 6)) == [
        "the champion is of 2026-01-06, at most 3 days before 2026-01-10 are allowed"
    ]
    assert words(None, None) == ["there are no logs, of 2026-01-10 or any other day", "there is no champion"]


def shift(day: int, psi: float, rows: int = 500) -> FeatureShift:
    return FeatureShift(
        day=date(2026, 1, day), side="query", feature="country", domain="search", rows=rows, psi=psi
    )


@pytest.mark.parametrize(
    ("usual", "psi", "rows", "breach"),
    [
        (0.05, 0.24, 500, False),  # below the convention
        (0.05, 0.26, 500, True),
        (0.20, 0.39, 500, False),  # moves as much on other days
        (0.20, 0.41, 500, True),
        (0.05, 9.00, 49, False),  # too few rows
    ],
)
def test_drift_must_be_large_and_larger_than_usual(usual: float, psi: float, rows: int, breach: bool) -> None:
    shifts = [shift(8, usual), shift(9, usual / 2), shift(10, psi, rows)]
    (found,) = drift_findings(shifts, DAY, CONFIG)
    assert (found.where, found.value, found.reference) == ("country × search", psi, usual)
    assert found.breach is breach
    assert found.judged is (rows >= 50)


def test_a_report_says_the_first_breaches_and_counts_the_rest() -> None:
    def finding(number: int) -> Finding:
        return Finding(
            signal="auc",
            where="w",
            value=None,
            reference=None,
            judged=True,
            breach=True,
            words=f"bad {number}",
        )

    report = MonitorReport(
        line="tiny", day=DAY, champion=None, champion_as_of=None, findings=tuple(finding(n) for n in range(5))
    )
    assert report.words == "5 breaches: bad 0; bad 1; bad 2 and 2 more"
    assert report.model_copy(update={"findings": ()}).words == "all is well"
