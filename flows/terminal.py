"""What a person at a terminal sees at the end of a run: parts of the run's Markdown."""

import shlex
from datetime import date, timedelta

from rich.console import Console

from mtmd.command_line import literal
from mtmd.config import load_preset
from mtmd.evaluate.ablation import Ablation
from mtmd.promote.stage import RunSummary
from mtmd.report import stages
from mtmd.report.document import Document
from mtmd.report.evaluation import gains_table
from mtmd.report.render import markdown
from mtmd.report.tables import Table
from mtmd.report.view import decision


def print_stopped() -> None:
    """What Ctrl-C has done."""
    console = Console(stderr=True, highlight=False, emoji=False)
    console.print("stopped; the same command goes on where it was", soft_wrap=True)


def show(summary: RunSummary, preset: str, artifacts: str) -> None:
    """LogMAE by slice, the verdict gate by gate, where the files are, and what to do next."""
    print_table(gains_table(summary.report))
    found = decision(summary, load_preset(preset).gates)
    places = tuple((f"place of {name}", place) for name, place in summary.places.items())
    _print(Document(found.title, found.kind, found.words, (*found.facts, *places), found.sections[:1]))
    _console().print(literal(what_next(summary.as_of, preset, artifacts)), soft_wrap=True)


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
    _console().print(literal(table.markdown()), soft_wrap=True)


def _print(document: Document) -> None:
    _console().print(literal(markdown(document, pictures=False)), soft_wrap=True)


def _console() -> Console:
    return Console(highlight=False, emoji=False)
