import re

from mtmd.extract.shards import Days
from mtmd.report.page.quality import Validation, observed, quality, short
from mtmd.report.page.render import ReportInputs, render_report
from mtmd.validate.results import ExpectationResult, Status


def test_the_sums_and_findings_of_the_suites(validations: tuple[Validation, ...], days: Days) -> None:
    found = quality(validations, days)
    assert found.words == (
        "2 validations, 1 of 2 stop the run, 1 warning: 1 expectations passed, 1 failed, 1 raised, 1 skipped"
    )
    assert not found.passed
    assert found.skipped == {"no earlier day": 1}
    assert [(where, result.name, observed(result)) for where, result in found.findings] == [
        ("2026-01-21", "ads_change", "1,234 unexpected"),
        ("window 2026-01-01 … 2026-01-21", "days", "division by <zero>"),
    ]


def test_findings_stand_on_the_page_with_what_they_do(inputs: ReportInputs) -> None:
    page = render_report(inputs)
    assert (
        "<code>ads.ads_change</code></td><td>warning</td><td>stale ads</td><td>1,234 unexpected</td>" in page
    )
    assert "<code>window.days</code></td><td>stops the run</td><td>holes</td>" in page


def test_days_are_the_windows_then_the_held_out_one(inputs: ReportInputs) -> None:
    page = render_report(inputs)
    rows = re.findall(
        r"<tr.*2026-01-\d\d(?: \(held out\))?</th>.*</tr>", page[page.index('<section id="data">') :]
    )
    assert len(rows) == 21
    assert rows[0].startswith('<tr><th scope="row">Thu 2026-01-01</th>')
    assert "width:100.0%" in rows[0]
    assert rows[-1].startswith('<tr class="whole"><th scope="row">Wed 2026-01-21 (held out)</th>')
    assert "width:50.0%" in rows[-1]
    assert '<td class="n">1</td><td class="n bad">1</td><td class="n">1</td>' in rows[-1]
    assert "<code>00ffffffffff</code>" in rows[-1]


def test_when_all_hold_it_says_so_and_counts_warnings(
    validations: tuple[Validation, ...], days: Days
) -> None:
    found = quality(validations[:1], days)
    assert found.words.startswith("1 validations, all hold, 1 warning: ")
    assert found.passed


def test_a_digest_is_shortened() -> None:
    assert short("0123456789abcdef") == "0123456789ab"
    assert short(None) == "–"


def test_a_finding_shows_the_first_of_its_rows() -> None:
    result = ExpectationResult(
        table="candidates", name="mean_scores_as_usual", description="why", severity="warning", unexpected=2,
        status=Status.FAILED, samples=({"domain": "search × shopping", "subject": "ctr"}, {"domain": "other"}),
    )  # fmt: skip
    assert observed(result) == "2 unexpected, the first: domain search × shopping, subject ctr"
