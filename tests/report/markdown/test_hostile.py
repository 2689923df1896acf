"""Reasons, error texts and values that somebody else chose, in every artifact, read by a Markdown parser.

The artifacts of a day's decision need a day: `tests/flows/test_ui.py` looks at them in Prefect's pages.
"""

import re
from collections.abc import Callable
from datetime import date

import pytest
from markdown_it import MarkdownIt

from mtmd.jobs.backfill import BackfillPlan, DayOutcome, PlannedDay
from mtmd.jobs.clean_up import CleanUp, Removable
from mtmd.monitor.health import Finding, MonitorReport
from mtmd.report.markdown import backfill, clean_up, monitor, validation, verdict
from mtmd.report.markdown.report_link import with_link
from mtmd.validate.results import DayValidation, ExpectationResult, Status

_ENDS_A_CELL = re.compile(r"(?<!\\)(?:\\\\)*\|")
DAY = date(2026, 1, 1)
HOSTILE = (
    "``` `a` | b **bold** <img src=x onerror=alert(1)> <script>alert(2)</script> [a](javascript:b) ![i](x) ~~s~~ _e_\n"
    "# heading\n\n- item\n\n<b>block</b>\n| c | d |\n| - | - |\n"
)
HARMLESS = {"heading_open", "paragraph_open", "bullet_list_open", "list_item_open", "inline", "code_inline"}
HARMLESS |= {"table_open", "thead_open", "tbody_open", "tr_open", "th_open", "td_open", "fence"}
HARMLESS |= {"text", "text_special", "softbreak", "strong_open"}


def _planned() -> str:
    days = tuple(
        PlannedDay(as_of=DAY, status=status, runs=False, note=HOSTILE) for status in ("blocked", "left out")
    )
    return backfill.plan_table(BackfillPlan(first=DAY, last=DAY, reprocess="none", days=days))


def _backfilled() -> str:
    plan = BackfillPlan(first=DAY, last=DAY, reprocess="none", days=())
    outcomes = [DayOutcome(as_of=DAY, state=state, words=HOSTILE) for state in ("failed", "left out")]
    return backfill.outcome_table(plan, outcomes, {})


def _validated(text: str = HOSTILE) -> str:
    failed = ExpectationResult(
        table="ads", name="one", status=Status.FAILED, unexpected=1, samples=({text: text},), description=text
    )  # fmt: skip
    raised = failed.model_copy(update={"status": Status.RAISED, "message": text, "samples": ()})
    skipped = raised.model_copy(update={"status": Status.SKIPPED})
    cast = raised.model_copy(update={"status": Status.PASSED, "name": "columns_as_declared"})
    return validation.render_markdown([DayValidation(day=DAY, results=(failed, raised, skipped, cast))])


def _monitored() -> str:
    common = {"signal": "freshness", "where": "logs", "value": 1, "reference": 0, "words": HOSTILE}
    kinds = ((True, True, True), (True, False, True), (False, False, False))
    findings = tuple(
        Finding(**common, judged=judged, breach=breach, suspected=suspected)
        for judged, breach, suspected in kinds
    )
    report = MonitorReport(line="x", day=DAY, champion=HOSTILE, champion_as_of=DAY, findings=findings)
    return monitor.monitor(report, [report])


def _cleaned() -> str:
    removable = (Removable(kind="runs", path=HOSTILE, bytes=1, why=HOSTILE),)
    planned = CleanUp(newest=DAY, removable=removable, kept={}, standing=(HOSTILE,))
    return clean_up.clean_up(planned, dry_run=True)


ARTIFACTS: dict[str, Callable[[], str]] = {
    "backfill-plan": _planned,
    "backfill": _backfilled,
    "data-quality": _validated,
    "monitor": _monitored,
    "clean-up": _cleaned,
    "verdict": lambda: verdict.stopped(DAY, HOSTILE, None),
    "link": lambda: with_link("## head\n\nrest", HOSTILE),
}


@pytest.mark.parametrize("name", ARTIFACTS)
def test_no_text_of_others_becomes_markup(name: str) -> None:
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    shown = ARTIFACTS[name]()
    tokens = parser.parse(shown)
    spans = [span for token in tokens for span in token.children or ()]
    ours = [span for span in spans if span.content == "<br>"]  # the lines of a table's cells
    found = {token.type for token in (*tokens, *spans) if token.nesting >= 0 and token not in ours}
    assert found - HARMLESS == set()
    assert "alert(1)" in shown  # it is there, as text
    headings = [
        tokens[place + 1].content for place, token in enumerate(tokens) if token.type == "heading_open"
    ]
    assert "heading" not in headings
    assert not [span.content for span in spans if span.type == "code_inline" and span.content == "a"]
    lines = shown.splitlines()
    for table in (token for token in tokens if token.type == "table_open"):
        assert len({len(_ENDS_A_CELL.findall(line)) for line in lines[slice(*table.map)]}) == 1


@pytest.mark.parametrize(
    "text",
    [
        "# x",
        "###### x",
        "- x",
        "+ x",
        "* x",
        "> x",
        "1. x",
        "23) x",
        "- [ ] x",
        "---",
        "***",
        "===",
        "-",
        "1.",
    ],
)
def test_a_text_at_the_beginning_of_a_line_begins_a_paragraph(text: str) -> None:
    tokens = MarkdownIt("commonmark").parse(_validated(text))
    described = [
        place for place, token in enumerate(tokens) if token.type == "heading_close" and token.tag == "h3"
    ]
    assert len(described) == 2
    for place in described:
        opened, inline = tokens[place + 1 : place + 3]
        assert (opened.type, opened.level) == ("paragraph_open", 0)
        assert "".join(span.content for span in inline.children or ()) == text
