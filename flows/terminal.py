"""What a person at a terminal sees at the end of a run."""

from datetime import timedelta

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mtmd.evaluation import EvaluationReport
from mtmd.stages import RunSummary

_SHOWN = ("mtmd", "champion", "per_slice", "pooled", "constant")


def show(summary: RunSummary, preset: str) -> None:
    """Slices × LogMAE, the verdict in words, what was reused, where the files are, and what to do next."""
    console = Console(highlight=False)
    console.print(_table(summary.report))
    colour = "green" if summary.promoted else "yellow"
    console.print(f"[bold {colour}]{escape(summary.model_id)}: {escape(summary.words)}[/]", soft_wrap=True)
    console.print(
        "reused: " + ", ".join(f"{name} {share}" for name, share in summary.reused.items()), soft_wrap=True
    )
    for name, place in summary.places.items():
        console.print(f"{name:>10}  {escape(place)}", soft_wrap=True)
    tomorrow = summary.as_of + timedelta(days=1)
    console.print(
        f"next: the day after with --as-of {tomorrow} (`make run AS_OF={tomorrow}` for the demo); "
        f"`mtmd status --preset {escape(preset)}`; `prefect server start` shows the run and its artifacts",
        soft_wrap=True,
    )


def _table(report: EvaluationReport) -> Table:
    predictors = [name for name in _SHOWN if name in report.predictors]
    table = Table(title=f"LogMAE against the teacher, held-out {report.as_of} (lower is better)")
    for name in ("surface", "product", "task"):
        table.add_column(name)
    for name in ("rows", *predictors, "vs per_slice", "vs pooled"):
        table.add_column(name, justify="right")
    gains = {
        rival: report.improvement("mtmd", rival, slices=(*report.slices, *report.aggregates))
        for rival in ("per_slice", "pooled")
    }
    for where in (*report.slices, *report.aggregates):
        if where == report.aggregates[0]:
            table.add_section()
        own = report.get("mtmd", where)
        values = [report.get(name, where).logmae for name in predictors]
        table.add_row(
            *where,
            f"{own.rows:,}",
            *(_text(value, "{:.4f}") for value in values),
            *(_text(gains[rival][where], "{:+.1%}") for rival in gains),
        )
    return table


def _text(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)
