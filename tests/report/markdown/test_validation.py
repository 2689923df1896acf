"""The Markdown section made from results."""

from datetime import date

from mtmd.report.markdown.validation import render_markdown
from mtmd.validate.results import DayValidation, ExpectationResult, Status, WindowValidation


def _result(status: Status, **changes) -> ExpectationResult:
    common = {"table": "ads", "name": "goal_known", "description": "The auction breaks.", "status": status}
    return ExpectationResult(**(common | changes))


def _day(*results: ExpectationResult) -> DayValidation:
    return DayValidation(day=date(2026, 1, 2), results=results)


def test_days_that_hold_are_counted_and_not_listed() -> None:
    window = WindowValidation(
        first=date(2026, 1, 1), last=date(2026, 1, 2), results=(_result(Status.PASSED, table="window"),)
    )
    text = render_markdown([_day(_result(Status.PASSED)), window])
    assert text.startswith("## ✓ Data quality: 1 of 1 days hold, the window holds\n")
    assert "- expectations: 2 passed, 0 failed, 0 raised, 0 skipped\n" in text
    assert "|" not in text
    assert "###" not in text


def test_a_failure_shows_its_meaning_count_and_keys() -> None:
    failed = _result(Status.FAILED, unexpected=1200, samples=({"ad_id": "3", "goal": "a|b <i>"},))
    text = render_markdown([_day(_result(Status.PASSED)), _day(failed)])
    assert "## ✗ Data quality: 1 of 2 days hold\n" in text
    assert text.count("\n| 2026-01-02 | ✗ **stops the run** |") == 1
    assert "### 2026-01-02: `ads.goal_known` failed\n\nThe auction breaks." in text
    assert (
        "**1,200 unexpected; the first 1**\n\n| ad_id | goal |\n| :-- | :-- |\n| 3 | a\\|b &lt;i> |" in text
    )


def test_an_exception_and_a_warning_are_told_apart_from_a_failure() -> None:
    text = render_markdown(
        [
            _day(
                _result(Status.RAISED, message="no column"),
                _result(Status.FAILED, severity="warning", unexpected=2),
            )
        ]
    )
    assert "failed (warning)" in text
    assert "It could not be checked: no column" in text
    assert "| ✗ **stops the run** | 0 | 1 | 1 | 0 |" in text


def test_a_warning_alone_does_not_stop() -> None:
    text = render_markdown([_day(_result(Status.FAILED, severity="warning", unexpected=2))])
    assert text.startswith("## ✓ Data quality: 1 of 1 days hold, 1 warning\n")
    assert "| 2026-01-02 | ⚠ warning | 0 | 1 | 0 | 0 |" in text


def test_skipped_expectations_are_counted_with_their_reason() -> None:
    text = render_markdown([_day(*[_result(Status.SKIPPED, message="no earlier day")] * 2)])
    assert "2 expectations skipped on 2026-01-02: no earlier day." in text


def test_casts_are_told_once_for_all_days() -> None:
    words = "read with a cast: bid (DOUBLE as FLOAT)"
    schemas = [
        _result(Status.PASSED, name="columns_as_declared", message=words),
        _result(Status.FAILED, name="columns_as_declared", table="requests"),
    ]
    text = render_markdown([_day(*schemas), _day(*schemas)])
    assert text.count("Types: ads read with a cast: bid (DOUBLE as FLOAT).\n") == 1
    assert text.count("Types: ") == 1
