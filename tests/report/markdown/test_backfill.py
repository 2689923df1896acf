"""The tables of a backfill."""

import base64
from datetime import date

from mtmd.jobs.backfill import BackfillPlan, DayOutcome, PlannedDay
from mtmd.jobs.cost import PastCost
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
    assert text.startswith("## ✓ 1 of 2 days would run\n\n2026-01-01 to 2026-01-02, reprocess none.\n")
    assert "\n- ○ done: 2026-01-01\n" in text
    assert "would run: about 1 min 30 s; no run of this line says what it took\n" in text
    assert "| 2026-01-02 | new | 0 | 3 | mtmd, pooled | 1 min 30 s |" in text
    assert "| 2026-01-01 |" not in text


def test_blocked_days_come_first_with_their_reasons_and_are_not_counted() -> None:
    others = [
        PlannedDay(as_of=date(2026, 1, 3), status="blocked", runs=False, note="logs lack\n2026-01-03"),
        PlannedDay(as_of=date(2026, 1, 4), status="left out", runs=False, note="a holiday"),
        *(PlannedDay(as_of=date(2026, 1, day), status="done", runs=False) for day in (5, 6, 8)),
    ]
    past = PastCost(runs=3, rows=47_366, seconds=52.0, fastest=50.0, slowest=61.0, per_row=0.0011)
    text = plan_table(PLAN.model_copy(update={"days": (*PLAN.days, *others), "past": past}))
    assert text.startswith("## ✗ 1 of 7 days would run, 1 blocked\n")
    lines = [line for line in text.splitlines() if line.startswith(("-", "  -"))]
    assert lines == [
        "- ✗ blocked 2026-01-03: logs lack 2026-01-03",
        "- ○ done: 2026-01-01, 2026-01-05 to 2026-01-06, 2026-01-08",
        "- ○ left out: 2026-01-04",
        "  - 2026-01-04: a holiday",
        "- training of the days that would run: about 1 min 30 s; "
        "the last 3 runs: 52 s (50 s to 1 min 1 s) on 47,366 rows",
    ]


def test_a_cost_that_nothing_tells_is_not_known() -> None:
    days = (PLAN.days[0].model_copy(update={"seconds": None}), PLAN.days[1])
    text = plan_table(PLAN.model_copy(update={"days": days}))
    assert "would run: not known, there is no training to go by; no run" in text
    assert "| mtmd, pooled | – |" in text
    assert "training of" not in plan_table(PLAN.model_copy(update={"days": PLAN.days[1:]}))


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
    assert text.startswith("## ✗ 2 of 2 days, 1 not completed\n")
    assert text.index("| 2026-01-01 | ✓ completed | 0.3000 | – | 10.00% |") < text.index(
        "| 2026-01-02 | ✗ failed | – | – | – |"
    )
    assert "- ✓ 2026-01-01 `m`: promoted ([report.html](http://host/first.html))\n" in text
    assert text.index("- ✗ 2026-01-02: no space\n") < text.index("| as_of |")
    assert text.count("data:image/svg+xml;base64,") == 1
    assert "data:image" not in outcome_table(PLAN, [bad], {})


def test_a_task_without_a_number_of_a_day_has_a_gap_there() -> None:
    days = [(FIRST, None), (LAST, 0.2), (date(2026, 1, 3), 0.4)]
    outcomes = [
        DayOutcome(as_of=day, state="completed", words="promoted", logmae={"ctr": 0.3, "cvr": cvr})
        for day, cvr in days
    ]
    text = outcome_table(PLAN, outcomes, {})
    assert "![LogMAE of the candidates, 2026-01-01 to 2026-01-03]" in text
    svg = base64.b64decode(text.partition("base64,")[2].partition(")")[0]).decode()
    ctr, cvr = (part.partition('"')[0].split() for part in svg.split('<polyline points="')[1:])
    assert [point.split(",")[0] for point in cvr] == [point.split(",")[0] for point in ctr[1:]]
