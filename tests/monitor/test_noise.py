"""How much of a change is chance: requests of both days, days themselves, and what earlier days showed."""

import math
from datetime import date, timedelta

import pytest

from mtmd.monitor.health import Finding, MonitorReport
from mtmd.monitor.noise import deviation, usual_changes

DAY = date(2026, 1, 10)


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
