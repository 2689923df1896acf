"""Documents of backfills, monitored days, clean-ups, rollbacks and stopped runs."""

from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest

from mtmd.errors import ConfigError, LogsError, ValidationError
from mtmd.jobs.backfill import BackfillDay
from mtmd.jobs.clean_up import CleanUp, Removed
from mtmd.monitor.health import Finding, MonitorReport
from mtmd.promote.rollback import Republished, RolledBack
from mtmd.registry.records import Champion, ChampionChange, KnownModel
from mtmd.report import jobs
from mtmd.report.document import Document, markdown, page
from mtmd.validate.results import ExpectationResult, Severity, Validation
from mtmd.validate.stage import DataQuality
from tests.report.hostile import HOSTILE, markup

FIRST, LAST = date(2026, 1, 1), date(2026, 1, 2)


def _lines(document: Document) -> list[str]:
    return [" ".join(line.split()) for line in markdown(document).splitlines() if line]


def test_days_that_did_not_complete_come_first_and_days_link_their_pages() -> None:
    days = [
        BackfillDay(as_of=FIRST, state="completed", words="promoted", model_id="m"),
        BackfillDay(as_of=LAST, state="to run"),
        BackfillDay(as_of=date(2026, 1, 3), state="blocked", words="logs lack\n2026-01-03"),
        BackfillDay(as_of=date(2026, 1, 4), state="left out", words="a holiday"),
    ]
    lines = _lines(jobs.backfill(days, {FIRST: "http://host/report.html"}))
    assert lines[0] == "## ✗ 4 days, 1 to run, 1 not completed"
    assert [line for line in lines if line.startswith("-")] == [
        "- ✗ **2026-01-03 blocked**: logs lack 2026-01-03",
        "- ✓ [2026-01-01 completed m](http://host/report.html): promoted",
        "- **2026-01-02 to run**",
        "- ○ **2026-01-04 left out**: a holiday",
    ]


def _finding(**changes: object) -> Finding:
    values = {"signal": "logmae", "where": "all × all × ctr", "value": 0.5, "reference": 0.4, "judged": True}
    return Finding.model_validate(values | {"breach": False} | changes)


def _monitored(*findings: Finding) -> MonitorReport:
    whole = [_finding(signal=signal) for signal in ("teacher_calibration", "auc", "mean_prediction")]
    return MonitorReport(
        line="tiny", day=FIRST, champion="m", champion_as_of=FIRST, findings=(*findings, *whole)
    )


def test_a_monitored_day_has_breaches_first_then_figures_and_drift() -> None:
    drifts = [
        _finding(signal="feature drift", where=f"f{n}", value=0.01 * n, reference=0.1) for n in range(30)
    ]
    breach = _finding(breach=True, words="LogMAE rose")
    fresh = _finding(signal="freshness", where="logs", value=0, reference=1)
    old = _finding(signal="freshness", where="champion", judged=False, words="no day")
    report = _monitored(breach, fresh, old, *drifts)
    lines = _lines(jobs.monitor(report, [report]))
    assert lines[:2] == [
        "## ✗ 2026-01-01: 1 breach, 35 of 36 numbers could be judged",
        "champion m, as_of 2026-01-01",
    ]
    assert [line for line in lines if line.startswith("- ")] == [
        "- ✗ **logmae**: LogMAE rose",
        "- **not judged, freshness**: 1 of 2, such as champion: no day",
    ]
    rows = [line for line in lines if line.startswith("| ")][2:]
    assert rows[0] == "| logmae, all × all × ctr | 0.5 | 0.4 | ✗ breach |"
    assert rows[1] == "| freshness, logs | 0 | 1 | ok |"
    assert "**36 of 36 numbers**" in lines
    quiet = jobs.monitor(
        MonitorReport(line="x", day=FIRST, champion=None, champion_as_of=None, findings=()), []
    )
    assert (quiet.kind, quiet.words) == ("good", ("no champion",))


def test_a_clean_up_says_what_goes() -> None:
    removed = tuple(Removed(kind="shards", path=f"a/{n}", bytes=10**6, why="91 days") for n in range(101))
    lines = _lines(jobs.clean_up(CleanUp(newest=LAST, dry_run=True, removed=removed, standing=("m1", "m2"))))
    assert lines[:2] == [
        "## 101 outputs, 101.0 MB, would be removed (dry run)",
        "Newest run: 2026-01-02; kept for rollbacks: m1, m2.",
    ]
    assert "| shards | 101 | 101.0 |" in lines
    assert ("- **a/99**: 91 days" in lines, "- **a/100**: 91 days" in lines) == (True, False)


def _rolled_back(words: str = "bad conversions") -> RolledBack:
    change = ChampionChange(
        sequence=3, action="rollback", model_id="good", as_of=FIRST, previous="bad", reason=words, at=datetime.now(UTC)
    )  # fmt: skip
    good = KnownModel(model_id="good", bundle_id="0" * 64)
    champion = Champion(model_id="good", as_of=FIRST, sequence=3, standing=(good,), change=change)
    return RolledBack(
        taken_down="bad", champion=champion, check="answered", ads=f"its published ads are those of {FIRST}"
    )


@pytest.mark.parametrize(
    ("ads", "kind", "said"),
    [
        (None, "", "- **ads**: at the flip, "),
        (Republished(words="not published", failed=True), "bad", "- ✗ **ads**: not published"),
        (Republished(words="9 embedded", failed=False), "", "- **ads**: 9 embedded"),
    ],
)
def test_a_rollback_says_what_is_live_and_how_to_come_back(
    ads: Republished | None, kind: str, said: str
) -> None:
    document = jobs.rollback(_rolled_back(), ads)
    text = markdown(document)
    assert document.kind == kind
    for words in (
        "Reason: bad conversions",
        "- **live now**: good, as_of 2026-01-01, sequence 3",
        "mtmd reinstate bad",
        said,
    ):
        assert words in text


def test_a_stopped_run_shows_its_error_line_by_line() -> None:
    text = markdown(jobs.stopped(FIRST, LogsError("an error\nsecond `line`"), "m"))
    assert text.startswith("## ✗ Stopped before a decision was recorded\n\nas_of 2026-01-01 · live now: m\n")
    assert "\nan error\n\nsecond \\`line\\`\n" in text
    assert "an error without words" in markdown(jobs.stopped(FIRST, LogsError(" "), None))


@pytest.mark.parametrize(("given", "day"), [(None, FIRST), (date(2025, 12, 30), date(2025, 12, 30))])
def test_an_error_about_logs_names_the_command_that_says_what_mends_them(
    given: date | None, day: date
) -> None:
    pytest.importorskip("mtmd.extras.check.commands")
    error = LogsError("gone")
    error.day = given
    jobs.point_to_check(error, FIRST, "a b.toml", "s3://logs")
    command = f"mtmd check --as-of {day} --preset 'a b.toml' --logs s3://logs"
    assert f"What mends it: {command}" in jobs.stopped(FIRST, error, "m").sections[0].blocks
    failed = ValidationError("3 expectations")
    jobs.point_to_check(failed, FIRST, "tiny", None)
    assert not hasattr(failed, "__notes__")  # of a comparison: the command looks at one day
    failed.day = FIRST
    jobs.point_to_check(failed, FIRST, "tiny", None)
    assert failed.__notes__ == [f"What mends it: mtmd check --as-of {FIRST} --preset tiny"]
    jobs.point_to_check(other := ConfigError("no such preset"), FIRST, "tiny", None)
    assert not hasattr(other, "__notes__")


def _quality(*results: ExpectationResult) -> DataQuality:
    window = Validation(title="window", results=results)
    return DataQuality(days=(), window=window, reused=(), sources=())


def test_a_day_that_the_suites_stopped_shows_each_expectation_with_its_rows_and_what_to_do() -> None:
    common = {"table": "candidates", "description": "spoils the model"}
    steady = {"domain": "search", "observed": "0.3", "subject": "ctr", "usual": "0.1"}
    moved = ExpectationResult(name="scores_steady", unexpected=1, samples=(steady,), **common)
    rows = (
        {"request_id": "7", "ad_id": "9", "p_ctr": "1.5"},
        {"request_id": "8", "ad_id": "9", "p_ctr": "2"},
    )
    outside = ExpectationResult(name="p_ctr_range", unexpected=1234, samples=rows, **common)
    warning = ExpectationResult(name="w", unexpected=2, severity=Severity.WARNING, **common)
    quality = _quality(warning, moved, outside)
    document = jobs.stopped(FIRST, ValidationError("a wall of text"), "m", quality)
    assert document.words[0] == (
        "window: candidates.scores_steady, search, ctr: 0.3, usually 0.1; 1 more expectation failed"
    )
    lines = _lines(document)
    for words in (
        "## ✗ Stopped by the data suites",
        "### window: candidates.scores\\_steady".replace("\\_", "_"),
        "| domain | subject | observed | usual |",
        "1,234 unexpected",
        "spoils the model",
        "| request_id | ad_id | p_ctr |",
        "| 8 | 9 | 2 |",
    ):
        assert words in lines, words
    assert "[data.accepted]" in document.words[1]
    other = jobs.stopped(FIRST, LogsError("gone"), "m", quality)  # the suites' words are of an earlier run
    assert other.title == "Stopped before a decision was recorded"


def _hostile_monitor() -> Document:
    common = {"signal": "freshness", "where": HOSTILE, "words": HOSTILE}
    found = [_finding(**common, judged=judged, breach=judged) for judged in (True, False)]
    return jobs.monitor(_monitored(*found).model_copy(update={"champion": HOSTILE}), [])


REMOVED = Removed(kind="a", path=HOSTILE, bytes=1, why=HOSTILE)
ALL: dict[str, Callable[[], Document]] = {
    "backfill": lambda: jobs.backfill([BackfillDay(as_of=FIRST, state="failed", words=HOSTILE)], {}),
    "monitor": _hostile_monitor,
    "clean-up": lambda: jobs.clean_up(
        CleanUp(newest=LAST, dry_run=False, standing=(HOSTILE,), removed=(REMOVED,))
    ),
    "rollback": lambda: jobs.rollback(_rolled_back(HOSTILE), Republished(words=HOSTILE, failed=True)),
    "failed": lambda: jobs.stopped(FIRST, LogsError(HOSTILE), HOSTILE),
    "stopped": lambda: jobs.stopped(
        FIRST,
        ValidationError(HOSTILE),
        HOSTILE,
        _quality(
            ExpectationResult(
                table=HOSTILE, name=HOSTILE, description=HOSTILE, unexpected=1, samples=({HOSTILE: HOSTILE},)
            )
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ALL)
def test_no_text_of_others_becomes_markup(name: str) -> None:
    document = ALL[name]()
    for narrow in (False, True):
        shown = markdown(document, narrow=narrow)
        assert markup(shown) == set()
        assert "alert(1)" in shown  # it is there, as text
    assert "<img" not in page(document)
