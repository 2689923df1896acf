"""The tables of a backfill."""

from datetime import date

from mtmd.jobs.backfill import BackfillPlan, DayOutcome, PlannedDay
from mtmd.report.markdown.backfill import outcome_table, plan_table

FIRST, LAST = date(2026, 1, 1), date(2026, 1, 2)
PLAN = BackfillPlan(
    first=FIRST,
    last=LAST,
    reprocess="none",
    days=(
        PlannedDay(
            as_of=LAST, status="new", runs=True, extract_days=3, train=("mtmd", "pooled"), seconds=90.0
        ),
        PlannedDay(as_of=FIRST, status="done", runs=False, seconds=0.0),
    ),
)


def test_a_plan_says_what_runs_and_what_it_costs() -> None:
    text = plan_table(PLAN)
    assert "**2026-01-01 to 2026-01-02, reprocess none: 1 of 2 days would run, in this order**" in text
    assert "| 2026-01-02 | new | run | 0 | 3 | mtmd, pooled | 1.5 |  |" in text
    assert "| 2026-01-01 | done | skip | 0 | 0 | – | – |  |" in text


def test_outcomes_come_oldest_first_with_a_trend() -> None:
    good = DayOutcome(
        as_of=FIRST,
        state="completed",
        words="promoted",
        model_id="m",
        logmae={"ctr": 0.3, "cvr": None},
        gain=0.1,
    )
    bad = DayOutcome(as_of=LAST, state="failed", words="no\nspace")
    text = outcome_table(PLAN, [bad, good], {FIRST: "http://host/first.html"})
    assert text.index("| 2026-01-01 | completed | 0.3000 | – | 10.00% |") < text.index(
        "| 2026-01-02 | failed | – | – | – |"
    )
    assert "- 2026-01-01 `m`: promoted ([report.html](http://host/first.html))\n" in text
    assert "- 2026-01-02: no space\n" in text
    assert text.count("data:image/svg+xml;base64,") == 1
    assert "data:image" not in outcome_table(PLAN, [bad], {})
