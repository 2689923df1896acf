"""Freshness of a day, and when a feature's drift is called a breach."""

from datetime import date, timedelta

import pytest

from mtmd.config import MonitorConfig
from mtmd.monitor.day_logs import drift_findings, freshness_findings
from mtmd.monitor.health import Finding, MonitorReport
from mtmd.monitor.profiles import FeatureShift

DAY = date(2026, 1, 10)
CONFIG = MonitorConfig()


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
    ("usual", "psi", "rows", "suspected", "breach", "words"),
    [
        (0.05, 0.24, 500, False, False, ""),  # below the convention
        (
            0.05,
            0.26,
            500,
            True,
            False,
            "country × search: PSI 0.26 is above 0.25, a breach if the next day has it too",
        ),
        (0.05, 0.51, 500, True, True, "country × search: PSI 0.51 is above 0.25, beyond doubt"),
        (0.20, 0.39, 500, False, False, ""),  # moves as much on other days
        (
            0.20,
            0.79,
            500,
            True,
            False,
            "country × search: PSI 0.79 is above 0.40, a breach if the next day has it too",
        ),
        (0.20, 0.81, 500, True, True, "country × search: PSI 0.81 is above 0.40, beyond doubt"),
        (0.05, 9.00, 49, False, False, "49 rows, 50 are needed"),
    ],
)
def test_drift_must_be_large_and_larger_than_usual(
    usual: float, psi: float, rows: int, suspected: bool, breach: bool, words: str
) -> None:
    shifts = [shift(8, usual), shift(9, usual / 2), shift(10, psi, rows)]
    (found,) = drift_findings(shifts, DAY, DAY - timedelta(days=1), [], CONFIG)
    assert (found.where, found.value, found.reference) == ("country × search", psi, usual)
    assert (found.suspected, found.breach, found.judged) == (suspected, breach, rows >= 50)
    assert found.words == words


def test_a_drift_that_was_suspected_is_a_breach_on_the_second_day() -> None:
    def found(earlier: list[MonitorReport], psi: float = 0.3) -> Finding:
        (only,) = drift_findings(
            [shift(8, 0.05), shift(10, psi)], DAY, DAY - timedelta(days=1), earlier, CONFIG
        )
        return only

    def before(days: int, finding: Finding) -> MonitorReport:
        day = DAY - timedelta(days=days)
        return MonitorReport(line="x", day=day, champion="a", champion_as_of=day, findings=(finding,))

    first = found([])
    assert (first.suspected, first.breach) == (True, False)
    second = found([before(1, first)])
    assert (second.breach, second.words) == (
        True,
        "country × search: PSI 0.30 is above 0.25, as on the day before",
    )
    assert found([before(1, second)]).breach  # and on the third
    assert not found([before(2, first)]).breach  # not in a row
    assert not found([before(1, first)], psi=0.2).breach


def test_features_may_drift_further_from_an_older_champions_days() -> None:
    shifts = [shift(8, 0.2), shift(10, 0.69)]  # the limit is 2 · 0.2 · √3 = 0.693

    def suspected(age: int) -> bool:
        (found,) = drift_findings(shifts, DAY, DAY - timedelta(days=age), [], CONFIG)
        return found.suspected

    assert (suspected(2), suspected(3)) == (True, False)
