"""The comparison as one table: a column per model, LogMAE by slice, then what each model costs."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mtmd.evaluate.report import EvaluationReport
from mtmd.report.tables.evaluation import Cell, Column, Table, estimate

SLICE = ("surface", "product", "task")


class Cost(NamedTuple):
    """What the table says of a model besides its errors."""

    input: str
    parameters: int
    pair_flops: int  # forward, of one pair by itself
    rows_per_s: float | None  # None where it was trained before
    validation_kl: float
    learning_rate: float
    epochs: str  # "best of all"
    precision: str

    @property
    def pair_mflop(self) -> float:
        return self.pair_flops / 1e6

    @property
    def rows_per_s_mflop(self) -> float | None:
        """How fast it trains for its size."""
        return None if self.rows_per_s is None else self.rows_per_s * self.pair_mflop


def comparison_table(report: EvaluationReport, costs: Mapping[str, Cost]) -> Table:
    """Slices and task aggregates × LogMAE of each predictor; then the candidate's gain, and the costs.

    The gain is over all rows of a task, with the interval of a paired bootstrap over requests.
    """
    names = report.predictors
    rows: list[tuple[Cell, ...]] = []
    for where in (*report.slices, *report.aggregates):
        metrics = [report.get(name, where) for name in names]
        rows.append((*where, f"{metrics[0].rows:,}", *(metric.logmae for metric in metrics)))
    for where in report.aggregates:
        gains = (
            None if name == report.candidate else estimate(report, report.candidate, name, where)
            for name in names
        )
        rows.append((f"{report.candidate} against it", "all", where.task, "", *gains))
    rows += _cost_rows(names, costs)
    columns = (
        *(Column(name=name, kind="text") for name in SLICE),
        Column(name="rows"),
        *(Column(name=name) for name in names),
    )
    title = f"LogMAE against the teacher on {report.as_of} (lower is better), and what each model costs"
    return Table(title=title, columns=columns, rows=tuple(rows))


def tuning_table(found: Mapping[str, Mapping[float, float]], epochs: int) -> Table:
    """Validation KL by peer and learning rate; the held-out day is not read."""
    rates = sorted({rate for by_rate in found.values() for rate in by_rate})
    rows = tuple(
        (name, *(None if rate not in by_rate else f"{by_rate[rate]:.5f}" for rate in rates))
        for name, by_rate in found.items()
    )
    columns = (Column(name="peer", kind="text"), *(Column(name=f"{rate:g}") for rate in rates))
    return Table(
        title=f"Validation KL by learning rate, at most {epochs} epoch(s)", columns=columns, rows=rows
    )


def _cost_rows(names: Sequence[str], costs: Mapping[str, Cost]) -> list[tuple[Cell, ...]]:
    forms: dict[str, tuple[str, str]] = {
        "input": ("input", "{}"),
        "parameters": ("parameters", "{:,}"),
        "pair_mflop": ("MFLOP a pair", "{:.2f}"),
        "rows_per_s": ("training rows/s", "{:,.0f}"),
        "rows_per_s_mflop": ("training rows/s × MFLOP", "{:,.0f}"),
        "validation_kl": ("validation KL", "{:.5f}"),
        "learning_rate": ("learning rate", "{:g}"),
        "epochs": ("best epoch of", "{}"),
        "precision": ("precision", "{}"),
    }
    rows: list[tuple[Cell, ...]] = []
    for field, (label, form) in forms.items():
        values = (getattr(costs[name], field) if name in costs else None for name in names)
        rows.append((label, "", "", "", *(None if value is None else form.format(value) for value in values)))
    return rows
