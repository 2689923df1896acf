"""When a figure of the champion is suspected, when it is a breach, and when the monitor keeps quiet."""

import math
from collections.abc import Sequence
from datetime import date, timedelta

import pytest

from mtmd.config import MonitorConfig
from mtmd.evaluate.report import EvaluationReport, SliceMetrics
from mtmd.monitor.figures import deviation, score_findings, usual_changes
from mtmd.monitor.health import Finding, MonitorReport
from mtmd.monitor.sampling import DayFigures, SamplingErrors

DAY = date(2026, 1, 10)
ONE = timedelta(days=1)
CONFIG = MonitorConfig()
STANDING = ("a",)  # the champion of every `day_report`
SMALL = SamplingErrors(logmae=0.01, calibration=0.01, prediction=0.01, auc=0.005)
WIDE = SamplingErrors(logmae=0.2, calibration=0.2, prediction=0.2, auc=0.1)


def metrics(day: date = DAY, **changed: object) -> EvaluationReport:
    given: dict[str, object] = {
        "predictor": "mtmd", "surface": "search", "product": "standard", "task": "ctr", "bucket": None,
        "rows": 5000, "requests": 400, "logmae": 0.4, "kl": 0.01, "mae": 0.01, "bce": 0.2,
        "mean_prediction": 0.05, "mean_teacher": 0.05, "impressions": 2000, "positives": 200, "auc": 0.7,
        "log_loss": 0.2, "calibration": 1.0,
    }  # fmt: skip
    one = SliceMetrics.model_validate(given | changed)
    return EvaluationReport(
        as_of=day,
        candidate="mtmd",
        predictors=("mtmd",),
        buckets=2,
        metrics=(one,),
        comparisons=(),
        confidence=0.95,
    )


def findings(
    now: EvaluationReport, errors: SamplingErrors = SMALL, earlier: Sequence[MonitorReport] = ()
) -> list[Finding]:
    (where,) = now.slices
    return list(
        score_findings(
            DayFigures(now, {where: errors}), metrics(DAY - ONE), earlier, CONFIG, standing=STANDING
        )
    )


def words(found: Sequence[Finding], *, breach: bool) -> dict[str, str]:
    return {one.signal: one.words for one in found if one.suspected and one.breach is breach}


def test_a_day_like_the_promotions_is_quiet() -> None:
    for now in (metrics(), metrics(logmae=0.43, auc=0.66, mean_prediction=0.056)):
        assert [(one.judged, one.suspected, one.breach, one.words) for one in findings(now)] == [
            (True, False, False, "")
        ] * 4


@pytest.mark.parametrize(
    ("changed", "signal", "said"),
    [
        # ±: 1.96 · √(0.01² · 2 + (ln 1.1 / 3)²) = 0.0681, which is 7 %
        ({"logmae": 0.51}, "logmae",
         "search × standard × ctr: LogMAE 0.51 against 0.4 at promotion (+27%, by chance ±7%), beyond doubt"),
        ({"mean_prediction": 0.0665}, "calibration", "mean teacher 1.33 against 1 at promotion (+33%"),
        ({"mean_prediction": 0.0375}, "calibration", "mean teacher 0.75 against 1 at promotion (-25%"),
        ({"auc": 0.6}, "auc", "AUC 0.6 against 0.7 at promotion (-0.100, by chance ±0.035), beyond doubt"),
        ({"mean_prediction": 0.09, "mean_teacher": 0.09}, "score shift",
         "mean prediction 0.09 against 0.05 at promotion (+80%, by chance ±31%; the teacher's +80%), beyond doubt"),
    ],
)  # fmt: skip
def test_a_figure_that_moved_beyond_doubt_is_a_breach(
    changed: dict[str, float], signal: str, said: str
) -> None:
    found = words(findings(metrics(**changed)), breach=True)
    assert set(found) == {signal}
    assert said in found[signal]


def test_what_is_better_is_no_breach() -> None:
    assert words(findings(metrics(logmae=0.2, auc=0.9)), breach=True) == {}


def test_the_same_change_among_fewer_requests_is_noise() -> None:
    now = metrics(logmae=0.51, auc=0.6, mean_prediction=0.09)
    assert [one.signal for one in findings(now) if one.breach] == [
        "logmae",
        "calibration",
        "auc",
        "score shift",
    ]
    assert [one.signal for one in findings(now, WIDE) if one.suspected] == []


def test_a_change_below_the_least_is_no_breach_however_sure_it_is() -> None:
    narrow = [day_report(number, findings(metrics())) for number in range(9)]
    now = metrics(logmae=0.4 * 1.099, auc=0.651, mean_prediction=0.05 * 1.149)
    assert words(findings(now, SMALL, narrow), breach=True) == {}


def test_chances_are_corrected_over_the_day() -> None:
    (logmae, *_) = findings(metrics(logmae=0.46))
    noise = (0.01**2 * 2 + (0.0953102 / 3) ** 2) ** 0.5
    assert logmae.noise == pytest.approx(noise)
    assert logmae.change == pytest.approx(0.139762)
    assert logmae.p == pytest.approx(4 * 2.9e-5, rel=0.1)  # z = 4.02, and the day has four figures


def day_report(days_before: int, found: Sequence[Finding]) -> MonitorReport:
    day = DAY - timedelta(days=days_before)
    return MonitorReport(line="x", day=day, champion="a", champion_as_of=day, findings=tuple(found))


SOME = SamplingErrors(logmae=0.02, calibration=0.02, prediction=0.02, auc=0.02)
# 3.1 standard deviations of one day, 2.5 of two: p = 0.004 and 0.03 of four figures
WORSE = {"logmae": 0.4 * 1.14}


def test_a_suspicion_is_a_breach_on_the_second_day_alone() -> None:
    found = findings(metrics(**WORSE), SOME)
    assert words(found, breach=True) == {}
    assert words(found, breach=False) == {
        "logmae": "search × standard × ctr: LogMAE 0.456 against 0.4 at promotion (+14%, by chance ±9%), "
        "a breach if the next day has it too"
    }
    second = words(findings(metrics(**WORSE), SOME, [day_report(1, found)]), breach=True)
    assert second["logmae"].endswith(", as on the day before")
    assert words(findings(metrics(), SOME, [day_report(1, found)]), breach=True) == {}
    assert words(findings(metrics(**WORSE), SOME, [day_report(2, found)]), breach=True) == {}  # not in a row


def test_a_suspicion_outlives_a_promotion_on_the_suspected_day() -> None:
    """The new champion's promotion has the fault in it: against that nothing changed."""
    found = findings(metrics(**WORSE), SOME)
    (where,) = metrics().slices
    now, promotion = DayFigures(metrics(**WORSE), {where: SOME}), metrics(DAY - ONE, **WORSE)
    assert not any(one.suspected for one in score_findings(now, promotion, [], CONFIG, standing=STANDING))
    (logmae, *_) = score_findings(now, promotion, [day_report(1, found)], CONFIG, standing=STANDING)
    assert (logmae.breach, logmae.reference) == (True, 0.4)
    after = score_findings(now, promotion, [day_report(1, [logmae])], CONFIG, standing=STANDING)  # said once
    assert not any(one.suspected for one in after)


def test_what_was_suspected_of_a_model_that_was_rolled_back_is_left_out() -> None:
    """Neither its promotion's figures nor its bad day say anything of the model that is live again."""
    (where,) = metrics().slices
    before = day_report(1, findings(metrics(**WORSE), SOME))
    same = metrics(DAY - ONE, **WORSE)
    now = DayFigures(metrics(**WORSE), {where: SOME})
    (logmae, *_) = score_findings(now, same, [before], CONFIG, standing=("b",))
    assert (logmae.reference, logmae.suspected) == (WORSE["logmae"], False)
    (logmae, *_) = score_findings(now, metrics(DAY - ONE), [before], CONFIG, standing=("b",))
    assert (logmae.suspected, logmae.breach) == (True, False)


def test_a_fault_that_stays_is_a_breach_on_every_day_after_the_first() -> None:
    reports: list[MonitorReport] = []
    (where,) = metrics().slices
    for age in (4, 3, 2, 1):
        day = DAY - age * ONE
        now = DayFigures(metrics(day, **WORSE), {where: SOME})
        reports.append(
            day_report(age, [*score_findings(now, metrics(day - ONE), reports, CONFIG, standing=STANDING)])
        )
    assert [report.findings[0].breach for report in reports] == [False, True, True, True]


def test_a_change_to_the_other_side_is_no_second_day() -> None:
    low, high = metrics(mean_prediction=0.05 / 1.2), metrics(mean_prediction=0.05 * 1.2)
    found = findings(low, SOME)
    assert set(words(found, breach=False)) == {"calibration"}
    assert words(findings(high, SOME, [day_report(1, found)]), breach=True) == {}
    assert set(words(findings(low, SOME, [day_report(1, found)]), breach=True)) == {"calibration"}


def test_days_that_always_differ_stay_quiet() -> None:
    now = metrics(logmae=0.51)
    used_to_it = [day_report(number, findings(metrics(logmae=0.5))) for number in range(2, 12)]
    assert set(words(findings(now), breach=True)) == {"logmae"}
    assert words(findings(now, SMALL, used_to_it), breach=True) == {}


def test_too_little_data_is_shown_and_says_so() -> None:
    now = metrics(requests=99, positives=99, logmae=4.0, auc=0.1, mean_prediction=0.5)
    found = findings(now)
    assert [(one.judged, one.breach) for one in found] == [(False, False)] * 4
    assert [one.value for one in found] == [4.0, 10.0, 0.1, 0.5]
    requests = "99 requests, 100 are needed"
    assert [one.words for one in found] == [requests, requests, "99 actions, 100 are needed", requests]
    (where,) = metrics().slices
    promotion = metrics(DAY - ONE, requests=99)
    (logmae, *_) = score_findings(
        DayFigures(metrics(), {where: SMALL}), promotion, [], CONFIG, standing=STANDING
    )
    assert logmae.words == "99 requests at promotion, 100 are needed"


def test_figures_that_are_undefined_are_not_judged() -> None:
    found = findings(metrics(logmae=None, auc=None, mean_prediction=None))
    assert [(one.judged, one.words) for one in found] == [(False, "undefined")] * 4
    nothing = SamplingErrors(logmae=None, calibration=None, prediction=None, auc=None)
    assert [one.judged for one in findings(metrics(), nothing)] == [False] * 4


def test_noise_has_the_requests_of_both_days_and_a_third_of_the_least_change() -> None:
    # promotion had four times the requests: its variance is a quarter. √(0.04² · 1.25 + 0.03²) = 0.0539
    assert deviation(0.04, 0.25, 0.09, 0.0, 1) == pytest.approx(math.sqrt(0.002 + 0.0009))
    assert deviation(0.04, 0.25, 0.09, 0.2, 1) == 0.2
    # three days of drift: √(0.04² · 1.25 + 3 · 0.03²)
    assert deviation(0.04, 0.25, 0.09, 0.0, 3) == pytest.approx(math.sqrt(0.002 + 0.0027))
    assert deviation(0.04, 0.25, 0.09, 0.2, 4) == 0.4


def reports(changes: list[float | None], *, judged: bool = True, apart: int = 1) -> list[MonitorReport]:
    def one(change: float | None, day: date) -> MonitorReport:
        found = Finding(
            signal="auc", where="w", value=0.5, reference=0.6, reference_day=day - timedelta(days=apart),
            judged=judged, breach=False, change=change,
        )  # fmt: skip
        return MonitorReport(line="tiny", day=day, champion="a", champion_as_of=day, findings=(found,))

    return [one(change, DAY + timedelta(days=number)) for number, change in enumerate(changes)]


def test_a_week_of_days_says_how_much_days_differ() -> None:
    week = [0.01, -0.02, 0.03, -0.04, 0.05, 0.0, 0.2]
    # four fifths of the sizes are below the one at place 0.8 · 6 = 4.8: 0.048; of a normal they are below 1.2816
    assert usual_changes(reports([*week])) == {("auc", "w"): pytest.approx(0.048 / 1.28155, rel=1e-4)}
    bad = usual_changes(reports([*week[:-1], 9.0]))
    assert bad == usual_changes(reports([*week]))  # one bad day of seven does not count
    assert usual_changes(reports([*week[:-1], None])) == {}
    assert usual_changes(reports([*week], judged=False)) == {}
    (apart,) = usual_changes(reports([*week], apart=4)).values()
    assert apart == pytest.approx(0.024 / 1.28155, rel=1e-4)  # a change over four days is two days' worth


def test_a_cycle_of_the_week_is_seen_by_its_days() -> None:
    weeks = [0.0, 0.01, 0.0, -0.01, 0.0, 0.3, -0.3] * 4
    assert usual_changes(reports([*weeks]))["auc", "w"] == pytest.approx(0.3 / 1.28155, rel=1e-4)
