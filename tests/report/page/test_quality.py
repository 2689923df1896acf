from mtmd.extract.shards import Days
from mtmd.report.page.quality import Validation, quality, short


def test_the_sums_and_findings_of_the_suites(validations: tuple[Validation, ...], days: Days) -> None:
    found = quality(validations, days)
    assert found.words == (
        "2 validations, 1 of 2 stop the run: 1 expectations passed, 1 failed, 1 raised, 1 skipped"
    )
    assert not found.passed
    assert found.skipped == (("no earlier day", 1),)
    assert [(one.name, one.level, one.observed) for one in found.findings] == [
        ("ads.ads_change", "warning", "1,234 unexpected"),
        ("window.days", "stops the run", "division by <zero>"),
    ]


def test_days_are_the_windows_then_the_held_out_one(validations: tuple[Validation, ...], days: Days) -> None:
    found = quality(validations, days)
    assert found.candidates == 20 * 100
    assert (found.days[0].day, found.days[0].held_out, found.days[0].share) == ("Thu 2026-01-01", False, 1.0)
    last = found.days[-1]
    assert (last.day, last.held_out, last.share) == ("Wed 2026-01-21", True, 0.5)
    assert (last.passed, last.not_passed, last.skipped) == (1, 1, 1)
    assert last.fingerprint == "00ffffffffff"


def test_when_all_hold_it_says_so(validations: tuple[Validation, ...], days: Days) -> None:
    found = quality(validations[:1], days)
    assert found.words.startswith("1 validations, all hold")
    assert found.passed


def test_a_digest_is_shortened() -> None:
    assert short("0123456789abcdef") == "0123456789ab"
    assert short(None) == "–"
