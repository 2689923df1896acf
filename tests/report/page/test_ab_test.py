"""The section of the simulated A/B: what it says, and what is folded."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from mtmd.abtest.outcome import ABTest
from mtmd.promote.gates import AB_TEST
from mtmd.promote.slice_gates import GateResult
from mtmd.report.page.comparisons import ab_test_words
from mtmd.report.page.render import ReportInputs, render_report
from tests.abtest.outcomes import planted

NO_PART = "No gate asked for it: it had no part in the decision."


@pytest.fixture
def section(inputs: ReportInputs) -> Callable[[ABTest], str]:
    def render(tested: ABTest) -> str:
        page = render_report(replace(inputs, tested=tested))
        return page[page.index('<section id="ab-test">') : page.index('<section id="calibration">')]

    return render


def test_in_words_only_what_chance_does_not_explain_differs() -> None:
    def words(**errors: float | None) -> str:
        return ab_test_words(planted(**errors))

    head = "Against the per-slice baselines, over all impressions: "
    assert words(CPC=-3.0, CTR=3.0, GCTR=2.0, OCTR=-3.0, HDR=3.0, RPR=None) == (
        f"{head}better in CPC and CTR; worse in OCTR and HDR; not to be told apart in GCTR."
    )
    assert words() == f"{head}not to be told apart in CPC, CTR, GCTR, OCTR, HDR and RPR."
    assert ab_test_words(planted(CTR=3.0, follows={"HDR": "CTR", "RPR": "CTR"})) == (
        f"{head}better in CTR; not to be told apart in CPC, GCTR and OCTR. HDR and RPR follow from CTR in this world: "
        "no further evidence."
    )
    nothing: dict[str, float | None] = dict.fromkeys(("CPC", "CTR", "GCTR", "OCTR", "HDR", "RPR"))
    assert words(**nothing) == f"{head}nothing to compare."


def test_all_impressions_are_seen_at_once_and_the_tables_are_folded(section: Callable[[ABTest], str]) -> None:
    shown, *folded = section(planted(HDR=3.0)).split("<details>")
    assert "20 samples of 8,000 requests of 2026-01-21" in shown
    assert "<td>the truth</td>" in shown
    assert "All rankers against per_slice" in shown
    assert "hands on 16, and 4 of these are shown" in shown
    assert "3.05%<small>[0.91, 5.22]</small>" in shown
    assert "home feed" not in shown
    assert [one.count("<table") for one in (shown, *folded)] == [2, 3, 4]
    assert "Table 4, by goal" in folded[0]
    assert "(paper, Tables 2 to 4)" in shown
    assert "chance against per_slice" in folded[1]


def test_table_5_is_there_where_the_unconstrained_model_served(section: Callable[[ABTest], str]) -> None:
    html = section(planted(unconstrained=True))
    assert "(paper, Tables 2 to 5)" in html
    assert "Table 5, constrained against unconstrained" in html
    assert html.count("<table") == 10


def test_it_says_whether_it_decided(inputs: ReportInputs) -> None:
    gate = GateResult(name=AB_TEST, passed=True, detail="none of 6 metrics")
    asked = inputs.verdict.model_copy(update={"gates": (*inputs.verdict.gates, gate)})
    assert NO_PART in render_report(replace(inputs, tested=planted()))
    page = render_report(replace(inputs, tested=planted(), verdict=asked))
    assert 'id="ab-test"' in page
    assert NO_PART not in page
    assert "The gate judges the metrics that follow from no other" in page
    assert "none of 6 metrics" in page


def test_without_a_test_there_is_no_section_and_no_link_to_one(inputs: ReportInputs) -> None:
    page = render_report(inputs)
    assert 'id="ab-test"' not in page
    assert '<a href="#ab-test">' not in page
    assert '<a href="#ab-test">' in render_report(replace(inputs, tested=planted()))
