"""What a person at a terminal sees at the end of a run."""

import shlex
from datetime import date, timedelta

from rich import box
from rich.console import Console
from rich.table import Table

from mtmd.command_line import literal
from mtmd.config import variants
from mtmd.evaluate.ablation import Ablation
from mtmd.evaluate.report import EvaluationReport
from mtmd.promote.stage import RunSummary
from mtmd.report.tables.ablation import factor_table
from mtmd.report.tables.evaluation import Table as Report

_HEADERS = {
    "mtmd": "mtmd",
    "champion": "cham-\npion",
    "per_slice": "per\nslice",
    "pooled": "pooled",
    "constant": "con-\nstant",
}
_VERSUS = {"per_slice": "vs per\nslice", "pooled": "vs\npooled"}
_LEAST_WIDTH = 100  # rich would cut numbers off in a narrower console; the table itself fits 80


def print_stopped() -> None:
    """What Ctrl-C has done."""
    console = Console(stderr=True, highlight=False, emoji=False)
    console.print("stopped; the same command goes on where it was", soft_wrap=True)


def show(summary: RunSummary, preset: str, artifacts: str) -> None:
    """Slices × LogMAE, the verdict, what was reused, where the files are, and what to do next."""
    console = Console(highlight=False, emoji=False)
    console.width = max(console.width, _LEAST_WIDTH)
    console.print(_table(summary.report))
    colour = "green" if summary.promoted else "yellow"
    console.print(f"[bold {colour}]{literal(summary.model_id)}: {literal(summary.words)}[/]", soft_wrap=True)
    console.print(
        "taken from earlier runs: " + ", ".join(f"{name} {share}" for name, share in summary.reused.items()),
        soft_wrap=True,
    )
    for name, place in summary.places.items():
        console.print(f"{name:>10}  {literal(place)}", soft_wrap=True)
    console.print(literal(what_next(summary.as_of, preset, artifacts)), soft_wrap=True)


def show_ablation(ablated: Ablation) -> None:
    """What each factor is worth, where a variant was compared; and why others were not."""
    table = factor_table(ablated.reports, variants().values())
    if table.rows:
        print_table(table)
    console = Console(highlight=False, emoji=False)
    for why in ablated.missing:
        console.print(f"not compared: {literal(why)}", soft_wrap=True)


def what_next(as_of: date, preset: str, artifacts: str) -> str:
    """Commands that can be copied into a shell, a preset's path with a space too. Artifacts are named if given."""
    tomorrow = as_of + timedelta(days=1)
    elsewhere = "" if artifacts == "artifacts" else f" --artifacts {shlex.quote(artifacts)}"
    return (
        f"next: the day after with --as-of {tomorrow}; `mtmd status --preset {shlex.quote(preset)}{elsewhere}`; "
        "`prefect server start` shows the run and its artifacts"
    )


def print_table(table: Report) -> None:
    """A table as it is in the artifacts."""
    console = Console(highlight=False, emoji=False)
    shown = Table(title=table.title, box=box.SIMPLE_HEAD, padding=0, show_edge=False)
    for column in table.columns:
        shown.add_column(column.name, justify="left" if column.kind == "text" else "right", no_wrap=True)
    for row in table.texts():
        shown.add_row(*map(literal, row))
    console.width = max(console.width, 40 * len(table.columns))
    console.print(shown)


def _table(report: EvaluationReport) -> Table:
    predictors = [name for name in _HEADERS if name in report.predictors]
    title = f"LogMAE against the teacher, held-out {report.as_of} (lower is better)"
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=0, show_edge=False)
    for name in ("surface", "product", "task"):
        table.add_column(name, no_wrap=True)
    rivals = [rival for rival in ("per_slice", "pooled") if rival in predictors]
    names = {name: _HEADERS[name] + _age(report, name) for name in predictors}
    for header in ("rows", *names.values(), *(_VERSUS[rival] for rival in rivals)):
        table.add_column(header, justify="right", no_wrap=True)
    for where in (*report.slices, *report.aggregates):
        if where == report.aggregates[0]:
            table.add_section()
        metrics = report.get("mtmd", where)
        values = [report.get(name, where).logmae for name in predictors]
        table.add_row(
            *where,
            f"{metrics.rows:,}",
            *(_text(value, "{:.3f}") for value in values),
            *(_text(report.improvement("mtmd", rival, where), "{:+.1%}") for rival in rivals),
        )
    return table


def _age(report: EvaluationReport, predictor: str) -> str:
    """Below the name of a rival that an earlier day trained."""
    age = report.ages.get(predictor)
    return "" if age is None else f"\n{age} days"


def _text(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)
