"""What is stored, as text that fits a terminal of 100 columns, and stays plain where there is no terminal."""

from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.table import Table as Grid

from mtmd.command_line import literal
from mtmd.inspect.comparison import SideBySide, comparison_table
from mtmd.inspect.models import ModelPage
from mtmd.inspect.runs import shortened
from mtmd.registry.records import ModelManifest, RegistryStatus
from mtmd.report.tables.evaluation import Column, Table

WIDTH = 100
_MANY_COLUMNS = 8
_RESULTS = {"pass": "passed", "fail": "FAILED"}


def show_table(table: Table, console: Console) -> None:
    """Text left, numbers right, under a title."""
    gap = 0 if len(table.columns) > _MANY_COLUMNS else 1  # beside the space that every column has
    grid = Grid(box=box.SIMPLE_HEAD, padding=(0, gap, 0, 0), show_edge=False, pad_edge=False)
    for column in table.columns:
        grid.add_column(column.name, justify="left" if column.kind == "text" else "right", overflow="fold")
    for row in table.texts():
        grid.add_row(*map(literal, row))
    _print(table.title, console)
    _print(grid, console)


def show_status(status: RegistryStatus, line: str, console: Console) -> None:
    """The champion and the latest changes."""
    champion = status.champion
    if champion is None:
        _pairs(
            (
                ("line", line),
                ("champion", "none: no run has promoted a model yet"),
                ("models", status.candidates),
            ),
            console,
        )
        return
    _pairs(
        (
            ("line", line),
            ("champion", champion.model_id),
            ("as_of", champion.as_of),
            ("before it", status.rolls_back_to or "none: there is nothing to roll back to"),
            ("rolled back", ", ".join(champion.rolled_back) or "none"),
            ("models", status.candidates),
        ),
        console,
    )
    columns = tuple(
        Column(name=name, kind="text") for name in ("at (UTC)", "change", "of model", "live then", "reason")
    )
    rows = tuple(
        (
            f"{change.at:%Y-%m-%d %H:%M}",
            change.action,
            change.about or change.model_id,
            change.model_id,
            shortened(change.reason, 29),
        )
        for change in status.history
    )
    _print("", console)
    show_table(Table(title="latest changes, oldest first", columns=columns, rows=rows), console)


def show_model(page: ModelPage, console: Console) -> None:
    """Where a model comes from, what its gates said, its proofs, and its metrics by slice."""
    manifest = page.manifest
    first, last = page.window
    _pairs(
        (
            ("model", f"{page.model_id}{' (live)' if page.live else ''}"),
            ("as_of", manifest.as_of),
            ("trained on", f"{first} to {last} ({len(manifest.window)} days)"),
            ("started from", _started_from(manifest)),
            ("commit", manifest.git_commit or "unknown: made outside a repository"),
            ("seeds", ", ".join(f"{name} {seed}" for name, seed in manifest.seeds.items())),
            ("packages", ", ".join(f"{name} {version}" for name, version in manifest.packages.items())),
            ("content", manifest.bundle_id),
            ("run", page.run or "its record is gone"),
            ("verdict", page.verdict or "–"),
            *(
                (
                    f"gate {gate.name}",
                    f"{_RESULTS.get(gate.words, gate.words.replace('pass on', 'passed on'))}: {gate.detail}",
                )
                for gate in page.gates
            ),
            *((name, words) for name, words in (page.proofs or {"proofs": "no record is kept"}).items()),
        ),
        console,
    )
    report, own = page.metrics, page.metrics.candidate
    columns = (
        *(Column(name=name, kind="text") for name in ("surface", "product", "task")),
        Column(name="rows", kind="count"),
        *(Column(name=name) for name in ("LogMAE", "calibration")),
        Column(name="actions", kind="count"),
        Column(name="AUC"),
    )
    found = [(where, report.get(own, where)) for where in (*report.slices, *report.aggregates)]
    rows = tuple(
        (*where, of.rows, of.logmae, of.teacher_calibration, of.positives, of.auc) for where, of in found
    )
    _print("", console)
    title = f"on held-out day {report.as_of} (calibration: mean prediction / mean teacher score)"
    show_table(Table(title=title, columns=columns, rows=rows), console)


def _started_from(manifest: ModelManifest) -> str:
    if (start := manifest.started_from) is None:
        return "nothing: a full retrain"
    days = (manifest.as_of - start.full_as_of).days
    return f"{start.model_id}; last full retrain: {start.full_model_id}, {days} day{'' if days == 1 else 's'} before"


def show_comparison(compared: SideBySide, console: Console) -> None:
    """What is compared on which day, then the slices."""
    _print(compared.note, console)
    show_table(comparison_table(compared), console)


def _print(shown: str | Grid, console: Console) -> None:
    """At most 100 columns wide, and as wide as that where no terminal is narrower."""
    console.width = max(console.width, WIDTH)
    console.print(literal(shown) if isinstance(shown, str) else shown, width=WIDTH, soft_wrap=False)


def _pairs(pairs: Iterable[tuple[str, object]], console: Console) -> None:
    """Names and values, aligned; long values go on below themselves."""
    grid = Grid.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        grid.add_row(literal(name), literal(str(value)))
    _print(grid, console)
