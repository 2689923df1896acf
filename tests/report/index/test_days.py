"""A state for every day, and the months that they are shown in."""

from mtmd.report.index.days import STATES, days, months, rolled_back
from mtmd.report.index.reading import read_line
from tests.report.index.conftest import FIRST, Records, day


def test_every_day_has_the_state_that_its_records_say(records: Records) -> None:
    shown = days(read_line(records.every_kind().root))
    assert [(one.day, one.state) for one in shown] == [
        (FIRST, "promoted"),
        (day(1), "rolled back"),
        (day(2), "kept"),
        (day(3), "stopped"),
        (day(4), "failed"),
        (day(5), "trained"),
        (day(6), "validated"),
        (day(7), "left out"),
        (day(8), "missing"),
        (day(9), "missing"),  # the monitor alone looked at it
    ]
    assert [one.sign for one in shown] == [*"PRKSFTV–·", "·"]
    assert shown[0].words == "2026-01-21: promoted; monitor: all is well"
    assert shown[2].words == "2026-01-23: kept; champion"
    assert shown[7].words == "2026-01-28: left out; a holiday of the platform"
    assert shown[9].words == "2026-01-30: missing; monitor: search × ctr: AUC 0.6; the champion is old"


def test_signs_differ_without_colours() -> None:
    signs = [sign for sign, _ in STATES.values()]
    assert len(set(signs)) == len(STATES) == 9


def test_a_rerun_that_kept_the_champion_is_kept_though_its_model_was_rolled_back(records: Records) -> None:
    records.run(0)
    model = records.run(1)
    records.change("rollback", f"{FIRST:%Y%m%d}-{0:010x}", 0, previous=model)
    records.decide(model, day(1), refusal="it was rolled back")
    line = read_line(records.root)
    assert [(run.verdict, rolled_back(line, run)) for run in line.runs[:2]] == [
        ("kept", False),
        ("promoted", True),
    ]


def test_a_promotion_stands_whatever_ran_later_and_else_the_latest_run_counts(records: Records) -> None:
    records.run(0)
    records.decide("20260121-again", FIRST, failed=("parity",))
    records.run(1, failed=("champion",))
    records.stop(day(1), "has_rows")
    assert [one.state for one in days(read_line(records.root))] == ["promoted", "stopped"]


def test_months_are_weeks_from_monday_the_newest_first(records: Records) -> None:
    records.run(0)
    records.run(12)
    february, january = months(days(read_line(records.root)))
    assert (february.title, january.title) == ("February 2026", "January 2026")
    numbers = [[one and one.day.day for one in week] for week in january.weeks]
    assert numbers == [
        [None, None, 21, 22, 23, 24, 25],
        [26, 27, 28, 29, 30, 31, None],
    ]
    assert [one and one.day.day for one in february.weeks[0]] == [None] * 6 + [1]
    assert [one and one.day.day for one in february.weeks[1]] == [2] + [None] * 6


def test_at_most_400_days_are_shown(records: Records) -> None:
    records.run(0)
    records.run(500)
    shown = days(read_line(records.root))
    assert (len(shown), shown[-1].day) == (400, day(500))
