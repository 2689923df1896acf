"""Heat maps: numbers that read as numbers, under a diverging colour (blue above zero, orange below)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isnan

from mtmd.evaluate.report import Estimate
from mtmd.report.page.charts import minus
from mtmd.report.tables.evaluation import Cell, Table

_FULL = (0.02, 0.05, 0.10, 0.25, 0.50, 1.00)  # shares that may get the full colour
_STEPS = (-1.0, -0.5, 0.0, 0.5, 1.0)


@dataclass(frozen=True)
class HeatCell:
    """A cell: what it says, and how it is coloured.

    note    smaller, below, such as an interval
    shade   −1 to 1; 0 is the page's own colour
    sure    whether an interval leaves zero out; never without one
    number  whether it has a number at all
    """

    text: str
    note: str = ""
    shade: float = 0.0
    sure: bool = True
    number: bool = True

    @property
    def sign(self) -> str:
        """The class that picks the hue."""
        return "up" if self.shade > 0 else "down" if self.shade < 0 else ""


_NO_NUMBER = HeatCell("–", sure=False, number=False)


@dataclass(frozen=True)
class HeatMap:
    """Rows of labels and cells under columns, and a legend of the colour's steps, from lowest to highest."""

    title: str
    corner: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], tuple[HeatCell, ...]], ...]
    legend: tuple[HeatCell, ...]


def estimates_map(table: Table, full: float | None = None) -> HeatMap:
    """A map of a table of improvements, whose columns of text come first: they are the labels.

    In the other columns text stands as it is, and None as a dash. `full` is the share that gets the full colour, by
    default the least round one that no value exceeds.
    """
    labels = sum(column.kind == "text" for column in table.columns)
    names = tuple(column.name for column in table.columns)
    values = [cell.value for row in table.rows for cell in row if isinstance(cell, Estimate)]
    full = full or full_colour(values)
    return HeatMap(
        title=table.title,
        corner=names[:labels],
        columns=names[labels:],
        rows=tuple(
            (tuple(map(str, row[:labels])), tuple(estimate_cell(cell, full) for cell in row[labels:]))
            for row in table.rows
        ),
        legend=tuple(
            HeatCell(minus(f"{100 * step * full:+.3g}%") if step else "0", shade=step) for step in _STEPS
        ),
    )


def estimate_cell(cell: Cell, full: float) -> HeatCell:
    """An improvement with its interval below; not sure where the interval has zero in it, or where there is none."""
    if not isinstance(cell, Estimate):
        return _NO_NUMBER if cell is None else replace(_NO_NUMBER, text=str(cell))
    sure = cell.low is not None and cell.high is not None and not cell.low <= 0.0 <= cell.high
    return HeatCell(minus(f"{cell.value:.2%}"), minus(cell.interval), _shade(cell.value, full), sure)


def factors_map(
    title: str,
    corner: str,
    columns: Sequence[str],
    rows: Sequence[tuple[str, Sequence[float]]],
) -> HeatMap:
    """A map of factors around 1, such as gates; NaN is a dash."""
    full = full_colour([value - 1.0 for _, values in rows for value in values if not isnan(value)])

    def cell(value: float) -> HeatCell:
        return _NO_NUMBER if isnan(value) else HeatCell(f"{value:.2f}", shade=_shade(value - 1.0, full))

    return HeatMap(
        title=title,
        corner=(corner,),
        columns=tuple(columns),
        rows=tuple(((label,), tuple(map(cell, values))) for label, values in rows),
        legend=tuple(HeatCell(f"{1.0 + step * full:.4g}", shade=step) for step in _STEPS),
    )


def full_colour(values: Sequence[float]) -> float:
    """The least round share that no value exceeds; 1 when one does."""
    most = max(map(abs, values), default=0.0)
    return next((step for step in _FULL if most <= step), _FULL[-1])


def _shade(value: float, full: float) -> float:
    return max(-1.0, min(1.0, value / full))
