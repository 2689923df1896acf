"""Freshness of a day, and when a feature's drift is called a breach."""

from datetime import date, timedelta

import pytest

from mtmd.config import MonitorConfig
from mtmd.monitor.day_logs import drift_findings, freshness_findings
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
    ("usual", "psi", "rows", "breach", "words"),
    [
        (0.05, 0.24, 500, False, ""),  # below the convention
        (0.05, 0.26, 500, True, "country × search: PSI 0.26 is above 0.25"),
        (0.20, 0.39, 500, False, ""),  # moves as much on other days
        (0.20, 0.41, 500, True, "country × search: PSI 0.41 is above 0.40"),
        (0.05, 9.00, 49, False, "49 rows, 50 are needed"),
    ],
)
def test_drift_must_be_large_and_larger_than_usual(
    usual: float, psi: float, rows: int, breach: bool, words: str
) -> None:
    shifts = [shift(8, usual), shift(9, usual / 2), shift(10, psi, rows)]
    (found,) = drift_findings(shifts, DAY, DAY - timedelta(days=1), CONFIG)
    assert (found.where, found.value, found.reference) == ("country × search", psi, usual)
    assert (found.breach, found.judged, found.words) == (breach, rows >= 50, words)


def test_features_may_drift_further_from_an_older_champions_days() -> None:
    shifts = [shift(8, 0.2), shift(10, 0.69)]  # the limit is 2 · 0.2 · √3 = 0.693

    def breach(age: int) -> bool:
        (found,) = drift_findings(shifts, DAY, DAY - timedelta(days=age), CONFIG)
        return found.breach

    assert (breach(2), breach(3)) == (True, False)
