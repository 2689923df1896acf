import xml.etree.ElementTree as ET

import pytest

from mtmd.promote.gates import Verdict
from mtmd.promote.slice_gates import GateResult, SliceFinding
from mtmd.report.page.verdict import brief, details, headline, rival_tables
from tests.report.page.conftest import CANDIDATE, CHAMPION


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
def test_the_headline_says_what_came_of_it(verdict: Verdict, live: str | None, words: str, kind: str) -> None:
    found = headline(verdict, live)
    assert (found.words, found.kind) == (words, kind)


def test_each_rival_has_a_table_of_its_slices(verdict: Verdict) -> None:
    champion, baseline = rival_tables(verdict)
    assert (champion.gate.name, baseline.gate.name) == ("champion", "baseline")
    assert len(champion.rows) == 15 + 3
    first = champion.rows[0]
    assert (first.slice, first.reference, first.own) == ("home_feed × standard × ctr", "0.0800", "0.1000")
    assert (first.difference, first.interval, first.decision) == ("−25.0%", "[−25.0, −25.0]", "worse")
    assert (first.kind, first.whole, champion.rows[-1].whole) == ("bad", False, True)
    assert {row.kind for row in baseline.rows} == {"good"}
    assert (verdict.candidate, verdict.champion) == (CANDIDATE, CHAMPION)


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
    floor = gate.model_copy(update={"name": "calibration"})
    shown = [text for _, text in details(Verdict(candidate="a", champion="b", gates=(gate, floor)))]
    assert shown == [brief(detail, gate, 2), detail]  # the other gate has no table


def test_a_bar_is_where_its_numbers_are() -> None:
    """The axis goes from −0.1 to 0.3 over 228 pixels from 6: zero is at 63, 0.1 at 120."""
    (row,) = _table(_finding()).rows
    zero, interval, dot = ET.fromstring(str(row.bar))
    assert float(zero.attrib["x1"]) == pytest.approx(63.0)
    assert (float(interval.attrib["x1"]), float(interval.attrib["x2"])) == (6.0, 234.0)
    assert float(dot.attrib["cx"]) == pytest.approx(120.0)
    assert (row.p, row.detectable) == ("0.25", "−2.1%")
    assert _table(_finding(p=3e-9)).rows[0].p == "< 0.0001"


def test_one_odd_slice_does_not_flatten_the_others() -> None:
    found = _table(_finding(), _finding(low=-9.0, improvement=-5.0))
    assert [e.text for e in ET.fromstring(str(found.axis))] == ["0", "−60%", "+30%"]
    assert 'cx="6.0"' in found.rows[1].bar


def test_a_bar_without_an_interval_is_a_dot_and_one_without_numbers_is_the_axis() -> None:
    dot, bare = _table(_finding(low=None), _finding(low=None, high=None, improvement=None, p=None)).rows
    assert (dot.interval, "interval" in dot.bar, "circle" in dot.bar) == ("", False, True)
    assert ("circle" in bare.bar, bare.difference, bare.p) == (False, "–", "–")


def test_what_was_not_judged_is_named_and_gates_without_rivals_have_no_table() -> None:
    unjudged = _finding(decision="not enough data", own=None, reference=None, improvement=None, task="u")
    assert _table(_finding(), unjudged).unjudged == ("s × p × u",)
    for name in ("calibration", "training"):
        gate = GateResult(name=name, passed=True, detail="", slices=(_finding(),))
        assert list(rival_tables(Verdict(candidate="a", champion="b", gates=(gate,)))) == []
