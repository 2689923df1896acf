"""What a person at a terminal sees at the end of a run: parts of the run's Markdown."""

import shlex
from datetime import date, timedelta

from mtmd.command_line import console, literal
from mtmd.config import load_preset
from mtmd.evaluate.ablation import Ablation
from mtmd.promote.stage import RunSummary
from mtmd.report import stages
from mtmd.report.document import Document, markdown
from mtmd.report.evaluation import gains_table
from mtmd.report.tables import Table
from mtmd.report.view import decision


def show(summary: RunSummary, preset: str, artifacts: str) -> None:
    """LogMAE by slice, the verdict gate by gate, where the files are, and what to do next."""
    print_table(gains_table(summary.report))
    found = decision(summary, load_preset(preset).gates)
    places = tuple((f"place of {name}", place) for name, place in summary.places.items())
    _print(Document(found.title, found.kind, found.words, (*found.facts, *places), found.sections[:1]))
    console.print(literal(what_next(summary.as_of, preset, artifacts)))


def show_ablation(ablated: Ablation) -> None:
    """What each factor is worth, where a variant was compared; and why others were not."""
    section = stages.ablations(ablated.reports, ablated.missing)
    _print(Document(section.title, "", (), sections=(section,)))


def what_next(as_of: date, preset: str, artifacts: str) -> str:
    """Commands that can be copied into a shell, a preset's path with a space too. Artifacts are named if given."""
    tomorrow = as_of + timedelta(days=1)
    elsewhere = "" if artifacts == "artifacts" else f" --artifacts {shlex.quote(artifacts)}"
    return (
        f"next: the day after with --as-of {tomorrow}; `mtmd status --preset {shlex.quote(preset)}{elsewhere}`; "
        "`prefect server start` shows the run and its artifacts"
    )


def print_table(table: Table) -> None:
    """A table as the Markdown has it."""
    console.print(literal(table.markdown()))


def _print(document: Document) -> None:
    console.print(literal(markdown(document, pictures=False)))
