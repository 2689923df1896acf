"""What the artifact of a decision says."""

import re

from mtmd.report.markdown import verdict as render
from mtmd.report.standing import top_words
from mtmd.report.tables.cold import cold_words
from tests.flows.runs import Run


def test_the_verdict_lists_gates_places_and_what_was_reused(next_day: Run) -> None:
    summary = next_day.summary
    page = render.verdict(summary)
    assert page.startswith("## ✓ promoted; 2 of 15 slices had too little data to judge\n")
    assert "**Gates: 7 of 7 pass**" in page
    assert len(re.findall(r"\*\*: pass(?: on 13 of 15)?, ", page)) == 7
    assert "shards 20 of 21" in page
    for place in summary.places.values():
        assert place in page
    assert "file://" not in page
    assert "An earlier run took this decision" not in page
    assert page.splitlines()[4] == top_words(summary.report)
    assert "**LogMAE improvement of mtmd over each rival by rank bucket (0 = top), all tasks" in page
    assert cold_words(summary.verdict.cold) in page
    assert "Time: " not in page
    assert "Time: 41 s: train 30 s, prove 11 s.\n" in render.verdict(summary, {"train": 30.0, "prove": 11.0})
    assert "An earlier run took this decision" in render.verdict(
        summary.model_copy(update={"repeated": True})
    )


def test_rows_with_new_values_are_listed_where_they_are_worse(next_day: Run) -> None:
    summary = next_day.summary
    assert "\n| champion × ad_id × ctr |" not in render.verdict(summary)
    worse = summary.verdict.cold[0].model_copy(update={"decision": "worse"})
    verdict = summary.verdict.model_copy(update={"cold": (worse, *summary.verdict.cold[1:])})
    page = render.verdict(summary.model_copy(update={"verdict": verdict}))
    assert page.count("\n| champion × ad_id × ctr |") == 1
    assert "\n| champion × ad_id × gctr |" not in page


def test_the_verdict_has_a_row_per_slice_of_each_rival(next_day: Run) -> None:
    summary = next_day.summary
    page = render.verdict(summary)
    champion = next(gate for gate in summary.verdict.gates if gate.name == "champion")
    one = next(one for one in champion.slices if one.judged)
    difference = f"{one.improvement:.2%}<br>[{100 * one.low:.2f}, {100 * one.high:.2f}]".replace("-", "−")
    numbers = f"{one.reference:.4f} → {one.own:.4f} | {difference} | {one.decision} | {-one.detectable:.1%} |"
    slices = f"{one.surface} × {one.product} × {one.task}"
    assert f"| {slices} | {numbers}" in page.replace(" ×<br>", " × ").replace("<br>×", " ×")
    head = "| difference | decision | smallest<br>loss<br>detected |"
    assert f"| slice | champion →<br>candidate {head}" in page
    assert f"| slice | baseline →<br>candidate {head}" in page
    unjudged = "related_pin × shopping × ctr, related_pin × shopping × gctr"
    assert page.count(f"Not enough data: {unjudged}.") == 2


def test_a_slice_that_blocks_stands_out(next_day: Run) -> None:
    summary = next_day.summary
    gates = summary.verdict.gates
    place = next(i for i, gate in enumerate(gates) if gate.name == "baseline")
    worse = gates[place].slices[0].model_copy(update={"decision": "worse", "low": None, "improvement": -0.03})
    gate = gates[place].model_copy(update={"slices": (worse, gates[place].slices[1])})
    verdict = summary.verdict.model_copy(update={"gates": (gate,)})
    page = render.verdict(summary.model_copy(update={"verdict": verdict}))
    row = f"{worse.own:.4f} | −3.00% | **✗ worse** | {-worse.detectable:.1%} |"
    assert page.count(row) == 2  # among the slices that block, and in the table of all
    blocking, _, _ = page.partition("**baseline: LogMAE by slice")
    assert "**✗ baseline: slices that block**" in blocking
    assert blocking.count(row) == 1
    assert "Not enough data" not in page


def test_a_gate_that_failed_comes_first_and_its_words_do_not_break_the_list(next_day: Run) -> None:
    summary = next_day.summary
    gates = summary.verdict.gates
    odd = gates[-1].model_copy(update={"passed": False, "detail": "a\n\n## b"})
    verdict = summary.verdict.model_copy(update={"gates": (*gates[:-1], odd)})
    page = render.verdict(summary.model_copy(update={"verdict": verdict, "promoted": False}))
    assert page.startswith("## ✗ ")
    assert "**Gates: 6 of 7 pass**\n\n- ✗ **fresh process**: **fail**, a ## b\n- ✓ **data suites**" in page


def test_a_candidate_that_was_held_back_has_no_cross(next_day: Run) -> None:
    summary = next_day.summary.model_copy(update={"promoted": False, "words": "kept champion a because b"})
    assert render.verdict(summary).startswith("## ○ kept champion a because b\n")


def test_a_run_that_stopped_says_so(next_day: Run) -> None:
    text = render.stopped(next_day.summary.as_of, "disk full", None)
    assert text.startswith("## ✗ Stopped before a decision was recorded\n")
    assert "live now: no model found" in text
    words = f"{'day ' * 30}{'/folder' * 20}\nsecond line"
    block = render.stopped(next_day.summary.as_of, words, None).split("```")[1]
    assert [len(line) for line in block.strip().splitlines()] == [83, 35, 140, 11]  # no path is broken
