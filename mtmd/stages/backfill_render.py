"""A backfill as people read it: the table of a plan, and day × verdict × metrics with their trend."""

from collections.abc import Sequence

from mtmd.evaluation import Column, Estimate, Table
from mtmd.report import data_uri, line_chart
from mtmd.stages.backfill import BackfillPlan, DayOutcome


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
    texts = ("as_of", "was", "now", "train", "minutes of training, about", "note")
    names = ("as_of", "was", "now", "validate", "extract", "train", "minutes of training, about", "note")
    table = Table(
        title=f"{plan.first} to {plan.last}, reprocess {plan.reprocess}: {len(plan.running)} of {len(plan.days)} "
        "days would run, in this order",
        columns=tuple(Column(name=name, kind="text" if name in texts else "count") for name in names),
        rows=tuple(rows),
    )
    return (
        f"{table.markdown()}\nOutputs are shared: what one day validates, extracts or trains, the days after it "
        "reuse, so the whole costs less than the sum of the rows.\n"
    )


def outcome_table(plan: BackfillPlan, outcomes: Sequence[DayOutcome]) -> str:
    """Day × verdict × metrics of the days so far, oldest first, and the trend of the LogMAE."""
    ordered = sorted(outcomes, key=lambda one: one.as_of)
    tasks = list(dict.fromkeys(task for one in ordered for task in one.logmae))
    table = Table(
        title=f"{plan.first} to {plan.last}, reprocess {plan.reprocess}: {len(ordered)} of {len(plan.days)} days",
        columns=(
            *(Column(name=name, kind="text") for name in ("as_of", "state", "model")),
            *(Column(name=f"LogMAE {task}") for task in tasks),
            Column(name="vs per-slice", kind="estimate"),
            Column(name="verdict", kind="text"),
        ),
        rows=tuple(
            (
                str(one.as_of),
                one.state,
                one.model_id or "–",
                *(one.logmae.get(task) for task in tasks),
                None if one.gain is None else Estimate(value=one.gain),
                one.words.replace("\n", " "),
            )
            for one in ordered
        ),
    )
    return f"{table.markdown()}\n{_trend(ordered, tasks)}"


def _trend(ordered: Sequence[DayOutcome], tasks: Sequence[str]) -> str:
    evaluated = [one for one in ordered if one.logmae]
    series = {
        task: [value for one in evaluated if (value := one.logmae.get(task)) is not None] for task in tasks
    }
    if not any(series.values()):
        return ""
    title = f"LogMAE of the candidates, {evaluated[0].as_of} to {evaluated[-1].as_of}"
    chart = line_chart(title, "evaluated days, oldest first", {k: v for k, v in series.items() if v})
    return f"![{title}]({data_uri(chart)})\n"
