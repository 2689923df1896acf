import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from mtmd.evaluate.report import EvaluationReport
from mtmd.extract.shards import Days
from mtmd.promote.gates import Verdict
from mtmd.promote.slice_gates import GateResult, SliceFinding
from mtmd.report.page.render import ReportInputs, render_report
from mtmd.report.page.verdict import Headline, brief, details, headline, rival_tables


def _gates(*passed: tuple[str, bool]) -> tuple[GateResult, ...]:
    return tuple(GateResult(name=name, passed=good, detail="d") for name, good in passed)


PASSED, FAILED = _gates(("champion", True)), _gates(("champion", False))


@pytest.mark.parametrize(
    ("verdict", "live", "words", "kind"),
    [
        (Verdict(candidate="a", champion="b", gates=PASSED), "a", "Promoted", "good"),
        (Verdict(candidate="a", champion="b", gates=PASSED, promotion="ok"), "c", "Promoted", "good"),
        (Verdict(candidate="a", champion="b", gates=FAILED), "b", "Kept the champion", "bad"),
        (Verdict(candidate="a", champion=None, gates=FAILED), None, "Nothing promoted", "bad"),
        (
            Verdict(candidate="a", champion="b", gates=FAILED, promotion="ok"),
            "a",
            "Promoted before, and that stands",
            "bad",
        ),
        (
            Verdict(candidate="a", champion="b", gates=PASSED, refusal="older"),
            "b",
            "Kept the champion",
            "held",
        ),
        (
            Verdict(candidate="a", champion="b", gates=FAILED, override="ok"),
            "a",
            "Promoted by override",
            "held",
        ),
    ],
)
def test_the_headline_says_what_came_of_it(
    verdict: Verdict, live: str | None, words: str, kind: str, days: Days
) -> None:
    full = days.model_copy(update={"held_out": days.held_out.model_copy(update={"candidates": 100})})
    assert headline(verdict, live, full) == Headline(words, kind)


def test_a_promotion_that_rests_on_less_says_so_in_the_headline(
    days: Days, report: EvaluationReport, verdict: Verdict
) -> None:
    """The held-out day has 50 rows of 100; a gate is not applicable, and another could not judge two slices."""
    champion = next(gate for gate in verdict.gates if gate.name == "champion")
    unsure = [one.model_copy(update={"decision": "not enough data"}) for one in champion.slices[:2]]
    short = champion.model_copy(update={"passed": True, "slices": (*unsure, *champion.slices[2:])})
    gates = (GateResult.not_applicable("baseline", "never trained"), short)
    found = headline(Verdict(candidate="a", champion="b", gates=gates), "a", days)
    assert (found.words, found.kind) == ("Promoted", "good")
    assert found.whole == (
        "Promoted; 50% fewer rows than usual on the held-out day; the baseline gate had nothing to judge; 2 of 15 "
        "slices had too little data to judge"
    )
    failed = Verdict(candidate="a", champion="b", gates=(short.model_copy(update={"passed": False}),))
    assert headline(failed, "b", days).whole == "Kept the champion"


def test_a_pass_on_some_slices_is_never_called_a_pass_alone(inputs: ReportInputs, verdict: Verdict) -> None:
    """The badge says on how many, and those that were not judged are named where the gate is explained."""
    gates = {gate.name: gate for gate in verdict.gates}
    first, second, *others = gates["training"].slices
    unsure = [one.model_copy(update={"decision": "not enough data"}) for one in (first, second)]
    gates["training"] = gates["training"].model_copy(update={"slices": (*unsure, *others)})
    page = render_report(replace(inputs, verdict=verdict.model_copy(update={"gates": tuple(gates.values())})))
    badge = '<span class="mark held">✓ pass on 13 of 15</span>'
    assert f'{badge} <a href="#gates">training</a>' in page
    section = page[page.index('<section id="gates">') : page.index('<section id="since">')]
    assert badge in section
    assert f"Not judged, too little data: {first.slice}, {second.slice}.</small>" in section
    assert gates["training"].words == "pass on 13 of 15"
    assert gates["champion"].words == "fail"
    assert gates["parity"].words == "pass"


def _rows(inputs: ReportInputs, *findings: SliceFinding) -> list[tuple[str, list[str]]]:
    """The class and the texts of each slice's row on the page, of the verdict or of one gate with these findings."""
    if findings:
        gate = GateResult(name="champion", passed=True, detail="", slices=findings)
        inputs = replace(inputs, verdict=Verdict(candidate="a", champion="b", gates=(gate,)))
    page = render_report(inputs)
    section = page[page.index('<section id="gates">') : page.index('<section id="rivals">')]
    rows = re.findall(r'<tr class="([^"]*)">(.*)</tr>', section)
    return [(kind, re.findall(r"<t[hd][^>]*>(?:<b>)?([^<]*)", cells)) for kind, cells in rows]


def test_each_rival_has_a_table_of_its_slices(verdict: Verdict, inputs: ReportInputs) -> None:
    champion, baseline = rival_tables(verdict)
    assert (champion.gate.name, baseline.gate.name) == ("champion", "baseline")
    assert len(champion.rows) == len(baseline.rows) == 15 + 3
    rows = _rows(inputs)
    assert rows[0][0] == "bad"
    slice_, *numbers = rows[0][1]
    assert slice_ == "home_feed × standard × ctr"
    assert numbers[:4] == ["0.0800", "0.1000", "−25.0%", "[−25.0, −25.0]"]
    assert numbers[-1] == "worse"
    assert [kind for kind, _ in rows] == ["bad"] * 15 + ["bad whole"] * 3 + ["good"] * 15 + ["good whole"] * 3


def _finding(**changed: object) -> SliceFinding:
    values: dict[str, object] = {
        "surface": "s", "product": "p", "task": "t", "decision": "not shown worse", "words": "", "own": 1.0,
        "reference": 1.0, "improvement": 0.1, "low": -0.1, "high": 0.3, "p": 0.25, "detectable": -0.021,
    }  # fmt: skip
    return SliceFinding.model_validate(values | changed)


def _table(*findings: SliceFinding):
    gate = GateResult(name="champion", passed=True, detail="", slices=findings)
    (found,) = rival_tables(Verdict(candidate="a", champion="b", gates=(gate,)))
    return found


def test_many_slices_are_cut_to_the_worst_and_a_count() -> None:
    slices = tuple(
        _finding(decision="worse", task=task, improvement=gain, words=f"{gain:+.0%}")
        for task, gain in (("a", -0.1), ("b", -0.3), ("c", -0.2))
    )
    detail = "3 slices are worse: s × p × a: -10%; s × p × b: -30%; s × p × c: -20%; 1 not judged"
    gate = GateResult(name="champion", passed=False, detail=detail, slices=slices)
    assert brief(detail, gate, 1) == "3 slices are worse: s × p × b: -30%; and 2 more; 1 not judged"
    assert brief(detail, gate, 3) == detail
    assert brief("other words", gate, 1) == "other words"
    ratios = tuple(
        _finding(decision="wrong", task=task, improvement=None, own=ratio, words=str(ratio))
        for task, ratio in (("a", 1.3), ("b", 0.5), ("c", None))
    )
    wrong = GateResult(name="calibration", passed=False, detail="; ".join(map(str, ratios)), slices=ratios)
    assert brief(wrong.detail, wrong, 2) == "s × p × c: None; s × p × b: 0.5; and 1 more"
    floor = gate.model_copy(update={"name": "training"})
    shown = [text for _, text in details(Verdict(candidate="a", champion="b", gates=(gate, floor)))]
    assert shown == [brief(detail, gate, 2), detail]  # the other gate has no table


def test_a_bar_is_where_its_numbers_are(inputs: ReportInputs) -> None:
    """The axis goes from −0.1 to 0.3 over 228 pixels from 6: zero is at 63, 0.1 at 120."""
    ((_, bar),) = _table(_finding()).rows
    zero, interval, dot = ET.fromstring(str(bar))
    assert float(zero.attrib["x1"]) == pytest.approx(63.0)
    assert (float(interval.attrib["x1"]), float(interval.attrib["x2"])) == (6.0, 234.0)
    assert float(dot.attrib["cx"]) == pytest.approx(120.0)
    first, second, third = _rows(inputs, _finding(), _finding(p=3e-9), _finding(p=0.099))
    assert first[1][-3:] == ["", "2.1%", "not shown worse"]  # a p-value of 0.25 says nothing
    assert (second[1][-3], third[1][-3]) == ("&lt; 0.0001", "0.099")


def test_one_odd_slice_does_not_flatten_the_others() -> None:
    found = _table(_finding(), _finding(low=-9.0, improvement=-5.0))
    assert [e.text for e in ET.fromstring(str(found.axis))] == ["0", "−60%", "+30%"]
    assert 'cx="6.0"' in found.rows[1][1]


def test_a_bar_without_an_interval_is_a_dot_and_one_without_numbers_is_the_axis(inputs: ReportInputs) -> None:
    findings = _finding(low=None, p=0.01), _finding(low=None, high=None, improvement=None, p=None)
    (_, dot), (_, bare) = _table(*findings).rows
    assert ("interval" in dot, "circle" in dot, "circle" in bare) == (False, True, False)
    (_, first), (_, second) = _rows(inputs, *findings)
    assert (first[3:5], second[3:5], second[-3]) == (["+10.0%", ""], ["–", ""], "–")
    ((_, without),) = _rows(inputs, _finding())
    assert len(without) == len(first) - 1  # no column of p-values where none tells something


def test_what_was_not_judged_is_named_and_gates_without_rivals_have_no_table() -> None:
    unjudged = _finding(decision="not enough data", own=None, reference=None, improvement=None, task="u")
    assert _table(_finding(), unjudged).unjudged == (("s", "p", "u"),)
    for name in ("calibration", "training"):
        gate = GateResult(name=name, passed=True, detail="", slices=(_finding(),))
        assert list(rival_tables(Verdict(candidate="a", champion="b", gates=(gate,)))) == []
