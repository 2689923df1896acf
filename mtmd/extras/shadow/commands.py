"""`mtmd shadow`: what the log of a candidate in the shadow says."""

from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from mtmd.command_line import Artifacts, AsJson, PresetName, app, console, literal
from mtmd.config import load_preset
from mtmd.extras.shadow.summary import ShadowSummary, summed_up, words
from mtmd.store.workspace import Workspace

commands = app()
_COLUMNS = ("surface", "task", "requests", "ads", "live", "candidate", "mean |diff|", "largest", "level")


@commands.command()
def shadow(
    preset: PresetName,
    artifacts: Artifacts = "artifacts",
    folder: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="of the log; default: shadow/ of the line")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Sum up the log of a candidate in the shadow.

    It says how the candidate's answers differ from the champion's. The service writes it while the preset's
    [extras.shadow] names a model.
    """
    found = summed_up(folder or Workspace.of(artifacts, load_preset(preset)).root / "shadow")
    if as_json:
        console.print(found.model_dump_json(indent=2), markup=False)
        return
    for pair in found.pairs:
        for line in words(pair):
            console.print(literal(line))
        console.print(_table(pair))
    if found.failed:
        console.print(literal(f"{found.failed} calls failed; the last one: {found.last_error}"))
    if found.unreadable:
        console.print(f"{found.unreadable} lines cannot be read and were left out")


def _table(pair: ShadowSummary) -> Table:
    """Mean probabilities of the same ads by both models, by surface and task; `level` is candidate / live − 1."""
    title = "probabilities of the ads that were answered, by both models"
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=0,
        show_edge=False,
        pad_edge=False,
        title=title,
        title_justify="left",
        title_style="",
    )
    for number, name in enumerate(_COLUMNS):
        table.add_column(name, justify="left" if number < 2 else "right")
    for row in pair.tasks:
        scores = row.scores
        numbers = (scores.live, scores.candidate, scores.absolute, scores.largest)
        level = f"{scores.candidate / scores.live - 1:+.1%}" if scores.live else "none"
        texts = (
            row.surface,
            row.task,
            f"{row.requests:,}",
            f"{scores.ads:,}",
            *(f"{n:.4f}" for n in numbers),
            level,
        )
        table.add_row(*map(literal, texts))
    return table
