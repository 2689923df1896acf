"""The page as a whole: well-formed, self-contained, escaped, and with the numbers where they belong."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest

from mtmd.config import Preset
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.promote.slice_gates import GateResult, against
from mtmd.report.page.render import ReportInputs, render_report
from tests.abtest.outcomes import planted
from tests.report.page.conftest import CANDIDATE, evaluate

VOID = {"meta", "br", "img", "hr", "input", "link"}
SELF_CLOSED = {"line", "circle", "rect", "polyline", "path", "use"}  # of SVG


class Reader(HTMLParser):
    """Tags that do not match, and the text of every cell."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.text: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        values = dict(attrs)
        self.ids |= {values["id"]} if values.get("id") else set()
        self.links += [str(values[key]) for key in ("href", "src") if key in values]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in SELF_CLOSED:
            self.faults.append(f"<{tag}/>")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


@pytest.fixture(scope="module")
def html(inputs: ReportInputs) -> str:
    return render_report(inputs)


def test_it_is_well_formed_and_every_link_is_to_itself(inputs: ReportInputs, html: str) -> None:
    assert "ab-test" not in read(html).ids
    found = read(render_report(replace(inputs, tested=planted(unconstrained=True))))
    assert "ab-test" in found.ids
    assert (found.open, found.faults) == ([], [])
    assert (read(html).open, read(html).faults) == ([], [])
    assert found.links
    assert {link.removeprefix("#") for link in found.links} <= found.ids


def test_it_needs_no_network_no_script_and_is_small(html: str) -> None:
    assert "script" not in read(html).tags
    assert set(re.findall(r'[\w-]+="?https?://[^"\s]+', html)) == {'xmlns="http://www.w3.org/2000/svg'}
    assert len(re.findall(r"https?://", html)) == html.count('xmlns="http://')
    assert not re.search(r"url\(|@import", html)
    assert len(html.encode()) < 300_000  # of 400,000, which a page with more slices and runs may have


def test_the_verdict_comes_first(html: str) -> None:
    texts = [text.strip() for text in read(html).text if text.strip()]
    start = texts.index("Kept the champion")
    assert texts[start - 1] == "Daily retraining · preset tiny · held-out day 2026-01-21"
    assert texts[start + 1].startswith(
        "kept champion 20260120-bbbb because champion: 15 of 15 slices and 3 of 3 tasks are worse"
    )
    assert texts[start + 1].endswith("; and 17 more")
    after = dict(pairwise(texts[start : texts.index("Gates")]))
    assert texts[texts.index("candidate") + 1] == CANDIDATE
    assert after["1 Promoted?"] == "6 of 7 pass"
    assert after["pooled two-tower"] == "ahead on ctr, gctr and octr"
    assert after["3 Calibrated?"] == "0.90 to 0.90 in 15 judged slices"  # e^-0.1
    assert after["window 2026-01-01 … 2026-01-21 failed"] == ";"


def test_every_section_says_its_numbers(html: str) -> None:
    text = " ".join(read(html).text)
    for words in (
        "MTMD is worth its cost: it is ahead of pooling alone on ctr, gctr and octr. This is one training seed",
        "cut by teacher score into 5 equal buckets",
        "No ablation variants are trained for this page yet",
        "480 of 480 requests have two candidates or more",
        "value = bid × (1 · ctr)",
        "Slice by slice, ranked by the task's score",
        "0.90 × teacher",
        "12,346",  # rows a second
        "query tower: mean gate by surface",
        "2,000 candidate rows in the window's 20 days, 50 on the held-out day.",
        "20 days, without 2026-01-19 (clicks were not logged)",
        "1 skipped: no earlier day",
        "2.5e−07",
        "0123abcd",
        "999999999999",  # the preset's digest
        "seed, training",
    ):
        assert words in text, words


def test_every_section_has_a_fold_that_says_how_to_read_it(inputs: ReportInputs) -> None:
    whole = replace(inputs, tested=planted(unconstrained=True))
    page = render_report(whole)
    sections = re.findall(r'<section id="([^"]+)">(.*?)</section>', page, re.DOTALL)
    without = [name for name, text in sections if "<summary>How to read this</summary>" not in text]
    assert without == ["ablations"]  # none are trained
    assert page.count("How to read this") == len(sections)  # and the first screen has one


def test_words_from_logs_and_people_are_escaped(inputs: ReportInputs) -> None:
    odd = '<script>alert(1)</script> & "more"'
    gates = inputs.verdict.gates
    verdict = inputs.verdict.model_copy(
        update={"gates": (gates[0].model_copy(update={"detail": odd}), *gates[1:]), "refusal": odd}
    )
    page = render_report(replace(inputs, words=odd, verdict=verdict, untrained=(odd,)))
    assert "script" not in read(page).tags
    assert page.count("&lt;script&gt;alert(1)") == 4
    assert "division by &lt;zero&gt;" in page


def test_the_same_run_gives_the_same_bytes(inputs: ReportInputs, html: str) -> None:
    assert render_report(inputs) == html


def test_ablations_appear_with_what_one_seed_can_say(
    inputs: ReportInputs, day: HeldOutDay, tiny_preset: Preset
) -> None:
    ablated = evaluate(day, tiny_preset, mtmd=0.1, no_dcn=0.125)
    keys = {"no_dcn, seed 0": "8" * 64}
    one = render_report(
        replace(inputs, ablations=(ablated,), untrained=("post_norm, seed 0: a <loss>",), variants=keys)
    )
    assert "DCN V2" in one
    assert "One training seed:" in one
    assert "ablation no_dcn, seed 0</dt><dd><code>888888888888</code>" in one
    assert "Not compared: post_norm, seed 0: a &lt;loss&gt;" in one
    assert "Mean over 2 training seeds" in render_report(replace(inputs, ablations=(ablated, ablated)))


def test_a_first_run_without_champion_is_a_page_too(
    inputs: ReportInputs, day: HeldOutDay, tiny_preset: Preset
) -> None:
    alone = evaluate(day, tiny_preset, mtmd=0.1, per_slice=0.2, constant=1.0)
    verdict = inputs.verdict.model_copy(update={"champion": None, "gates": inputs.verdict.gates[:1]})
    page = render_report(
        replace(inputs, evaluation=alone, verdict=verdict, words="promoted", live=CANDIDATE, validations=())
    )
    assert "– not applicable" in render_report(
        replace(
            inputs,
            verdict=verdict.model_copy(update={"gates": (GateResult.not_applicable("champion", "none"),)}),
        )
    )
    text = " ".join(read(page).text)
    for words in (
        "Promoted",
        "none yet",
        "not compared",
        "not judged",
        "all suites hold",
        "No record of an earlier run",
    ):
        assert words in text, words
    card = read(page[page.index('<section class="card calibrated">') :].partition("</section>")[0])
    assert " ".join("".join(card.text).split()) == "3 Calibrated? not judged"
    assert '<p class="words"' not in page  # the headline says it already


def test_explored_candidates_have_a_table_where_a_day_has_some(
    inputs: ReportInputs, day: HeldOutDay, tiny_preset: Preset
) -> None:
    some = replace(day, explored=np.arange(len(day.domain)) % 4 == 0)
    errors = {"mtmd": 0.1, "per_slice": 0.2, "pooled": 0.125, "constant": 1.0, "champion": 0.08}
    page = render_report(replace(inputs, evaluation=evaluate(some, tiny_preset, **errors)))
    assert "<h3>Explored candidates</h3>" in page
    assert "<h3>Explored candidates</h3>" not in render_report(inputs)


def test_new_values_that_read_what_was_never_trained_are_said_where_they_are_many(
    inputs: ReportInputs, html: str
) -> None:
    words = "the feature has no min_count. Try min_count = 3 with dropout = 0.2"
    assert words not in html  # one row in a hundred
    report = inputs.evaluation
    cold = tuple(one.model_copy(update={"rows": one.others // 4}) for one in report.cold)
    page = render_report(replace(inputs, evaluation=report.model_copy(update={"cold": cold}), ablations=()))
    assert page.count("ad_id: in 20% of the rows of ") == 1
    assert words in page


def test_slices_with_few_actions_are_not_said_to_have_few_requests(inputs: ReportInputs) -> None:
    report = inputs.evaluation
    actions = sorted(report.get("mtmd", where).positives for where in report.slices)
    gates = inputs.gates.model_copy(update={"min_actions": actions[-1]})
    gate = against("champion", "champion", 0.0, report, gates)
    verdict = inputs.verdict.model_copy(update={"gates": (gate,)})
    page = render_report(replace(inputs, gates=gates, verdict=verdict))
    assert (
        f"Not enough data (fewer than {gates.min_requests:g} effective requests or {actions[-1]} actions): "
        in page
    )
