"""A backfill as people read it: the table of a plan, and day × verdict × metrics with their trend."""

from collections.abc import Mapping, Sequence
from datetime import date

from mtmd.evaluate.report import Estimate
from mtmd.jobs.backfill import BackfillPlan, DayOutcome
from mtmd.report.page.charts import data_uri, line_chart
from mtmd.report.tables.evaluation import Column, Table, columns_of


def plan_table(plan: BackfillPlan) -> str:
    """What each day would do, reuse and cost."""
    rows = [
        (
            str(day.as_of),
            day.status,
            "run" if day.runs else "skip",
            day.validate_days if day.runs else 0,
            day.extract_days if day.runs else 0,
            ", ".join(day.train) if day.runs and day.train else "–",
            "–" if day.seconds is None or not day.runs else f"{day.seconds / 60:.1f}",
            day.note,
        )
        for day in plan.days
    ]
    table = Table(
        title=f"{plan.first} to {plan.last}, reprocess {plan.reprocess}: {len(plan.running)} of {len(plan.days)} "
        "days would run, in this order",
        columns=(
            *columns_of("text", ("as_of", "was", "now")),
            *columns_of("count", ("validate", "extract")),
            *columns_of("text", ("train", "minutes of training, about", "note")),
        ),
        rows=tuple(rows),
    )
    return (
        f"{table.markdown()}\nOutputs are shared: what one day validates, extracts or trains, the days after it "
        "reuse, so the whole costs less than the sum of the rows.\n"
    )


def outcome_table(plan: BackfillPlan, outcomes: Sequence[DayOutcome], pages: Mapping[date, str]) -> str:
    """Day × verdict × metrics of the days so far, oldest first, their trend, and the days' `pages` (URLs)."""
    ordered = sorted(outcomes, key=lambda outcome: outcome.as_of)
    tasks = list(dict.fromkeys(task for outcome in ordered for task in outcome.logmae))
    table = Table(
        title=f"{plan.first} to {plan.last}, reprocess {plan.reprocess}: {len(ordered)} of {len(plan.days)} days",
        columns=(
            *columns_of("text", ("as_of", "state")),
            *columns_of("number", (f"LogMAE {task}" for task in tasks)),
            Column(name="vs per-slice", kind="estimate"),
        ),
        rows=tuple(
            (
                str(outcome.as_of),
                outcome.state,
                *(outcome.logmae.get(task) for task in tasks),
                None if outcome.gain is None else Estimate(value=outcome.gain),
            )
            for outcome in ordered
        ),
    )
    verdicts = [_verdict(outcome, pages.get(outcome.as_of)) for outcome in ordered]
    return "\n".join([table.markdown(), *verdicts, "", _trend(ordered, tasks)])


def _verdict(outcome: DayOutcome, page: str | None) -> str:
    """An item of a list: the UI does not wrap what is in a table."""
    model = f" `{outcome.model_id}`" if outcome.model_id else ""
    link = f" ([report.html]({page}))" if page else ""
    return f"- {outcome.as_of}{model}: {' '.join(outcome.words.split())}{link}"


def _trend(ordered: Sequence[DayOutcome], tasks: Sequence[str]) -> str:
    evaluated = [outcome for outcome in ordered if outcome.logmae]
    series = {
        task: [value for outcome in evaluated if (value := outcome.logmae.get(task)) is not None]
        for task in tasks
    }
    if not any(series.values()):
        return ""
    title = f"LogMAE of the candidates, {evaluated[0].as_of} to {evaluated[-1].as_of}"
    chart = line_chart(title, "evaluated days, oldest first", {k: v for k, v in series.items() if v})
    return f"![{title}]({data_uri(chart)})\n"
