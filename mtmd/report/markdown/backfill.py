"""A backfill as people read it: what a plan would do, and day × verdict × metrics with their trend."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta

from mtmd.evaluate.report import Estimate
from mtmd.jobs.backfill import BackfillPlan, DayOutcome, PlannedDay
from mtmd.report.markdown.fitting import fitted
from mtmd.report.markdown.plain import code, plain
from mtmd.report.markdown.times import time_words
from mtmd.report.page.charts import data_uri, line_chart
from mtmd.report.tables.evaluation import Column, Table, columns_of

_MARKS = {"completed": "✓", "failed": "✗", "blocked": "✗", "skipped": "○", "left out": "○"}


def plan_table(plan: BackfillPlan) -> str:
    """Which days are blocked and why, how many would run and at which cost, and what each of these would do."""
    running = [day for day in plan.days if day.runs]
    mark = "✗" if plan.blocked else "✓"
    blocked = f", {len(plan.blocked)} blocked" if plan.blocked else ""
    lines = [
        f"## {mark} {len(running)} of {len(plan.days)} days would run{blocked}",
        "",
        f"{plan.first} to {plan.last}, reprocess {plan.reprocess}.",
        "",
        *(f"- ✗ blocked {day.as_of}: {plain(day.note)}" for day in plan.blocked),
        *_not_running(plan),
        *([f"- training of the days that would run: {_cost(plan)}"] if running else []),
        "",
    ]
    if running:
        lines += [fitted(_running(running)), _SHARED]
    return "\n".join(lines)


_SHARED = (
    "Outputs are shared: what one day validates, extracts or trains, the days after it reuse, so the whole costs less "
    "than the sum of the rows.\n"
)


def _not_running(plan: BackfillPlan) -> Iterator[str]:
    """The other days by status, neighbours together."""
    for status in dict.fromkeys(day.status for day in plan.days if not day.runs and day.status != "blocked"):
        days = [day for day in plan.days if not day.runs and day.status == status]
        yield f"- ○ {status}: {_ranges([day.as_of for day in days])}"
        yield from (f"  - {day.as_of}: {plain(day.note)}" for day in days if day.note)


def _ranges(days: Sequence[date]) -> str:
    """`2026-01-01 to 2026-01-05, 2026-01-07`."""
    runs: list[list[date]] = []
    for day in sorted(days):
        if runs and day - runs[-1][-1] == timedelta(days=1):
            runs[-1].append(day)
        else:
            runs.append([day])
    return ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)


def _cost(plan: BackfillPlan) -> str:
    seconds, past = plan.seconds, plan.past
    about = "not known, there is no training to go by" if seconds is None else f"about {time_words(seconds)}"
    if past is None:
        return f"{about}; no run of this line says what it took"
    spread = f" ({time_words(past.fastest)} to {time_words(past.slowest)})" if past.runs > 1 else ""
    which = f"the last {past.runs} runs" if past.runs > 1 else "the last run"
    return f"{about}; {which}: {time_words(past.seconds)}{spread} on {past.rows:,} rows"


def _running(days: Sequence[PlannedDay]) -> Table:
    return Table(
        title="Days that would run, in this order",
        columns=(
            *columns_of("text", ("as_of", "was")),
            *columns_of("count", ("days to validate", "days to extract")),
            *columns_of("text", ("models to train",)),
            *columns_of("number", ("training, about",)),
        ),
        rows=tuple(
            (
                str(day.as_of),
                day.status,
                day.validate_days,
                day.extract_days,
                ", ".join(day.train) or "–",
                None if day.seconds is None else time_words(day.seconds),
            )
            for day in days
        ),
    )


def outcome_table(plan: BackfillPlan, outcomes: Sequence[DayOutcome], pages: Mapping[date, str]) -> str:
    """What did not complete; then day × verdict × metrics, oldest first, their trend, and the days' `pages` (URLs)."""
    ordered = sorted(outcomes, key=lambda outcome: outcome.as_of)
    tasks = list(dict.fromkeys(task for outcome in ordered for task in outcome.logmae))
    missed = [outcome for outcome in ordered if outcome.state in {"failed", "blocked"}]
    others = [outcome for outcome in ordered if outcome not in missed]
    not_completed = f", {len(missed)} not completed" if missed else ""
    table = Table(
        title="The days so far, oldest first",
        columns=(
            *columns_of("text", ("as_of", "state")),
            *columns_of("number", (f"LogMAE {task}" for task in tasks)),
            Column(name="vs per-slice", kind="estimate"),
        ),
        rows=tuple(
            (
                str(outcome.as_of),
                f"{_MARKS[outcome.state]} {outcome.state}",
                *(outcome.logmae.get(task) for task in tasks),
                None if outcome.gain is None else Estimate(value=outcome.gain),
            )
            for outcome in ordered
        ),
    )
    return "\n".join(
        [
            f"## {'✗' if missed else '✓'} {len(ordered)} of {len(plan.days)} days{not_completed}",
            "",
            f"{plan.first} to {plan.last}, reprocess {plan.reprocess}.",
            "",
            *(_verdict(outcome, pages.get(outcome.as_of)) for outcome in missed),
            "",
            fitted(table),
            *(_verdict(outcome, pages.get(outcome.as_of)) for outcome in others),
            "",
            _trend(ordered, tasks),
        ]
    )


def _verdict(outcome: DayOutcome, page: str | None) -> str:
    """An item of a list: the UI does not wrap what is in a table."""
    model = f" {code(outcome.model_id)}" if outcome.model_id else ""
    link = f" ([report.html]({page}))" if page else ""
    return f"- {_MARKS[outcome.state]} {outcome.as_of}{model}: {plain(outcome.words)}{link}"


def _trend(ordered: Sequence[DayOutcome], tasks: Sequence[str]) -> str:
    evaluated = [
        outcome for outcome in ordered if any(value is not None for value in outcome.logmae.values())
    ]
    if not evaluated:
        return ""
    series = {task: [outcome.logmae.get(task) for outcome in evaluated] for task in tasks}
    title = f"LogMAE of the candidates, {evaluated[0].as_of} to {evaluated[-1].as_of}"
    chart = line_chart(title, "evaluated days, oldest first", series)
    return f"![{title}]({data_uri(chart)})\n"
