"""Heat maps: numbers that read as numbers, under a diverging colour (blue above zero, orange below)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

from mtmd.evaluate.report import Estimate
from mtmd.report.page.charts import minus

_FULL = (0.02, 0.05, 0.10, 0.25, 0.50, 1.00)  # shares that may get the full colour
_STEPS = (-1.0, -0.5, 0.0, 0.5, 1.0)

EstimateRow = tuple[tuple[str, ...], Sequence[Estimate | str | None]]


@dataclass(frozen=True)
class HeatCell:
    """A cell: what it says, and how it is coloured.

    note    smaller, below, such as an interval
    shade   −1 to 1; 0 is the page's own colour
    sure    whether the interval leaves zero out, or there is none to ask
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


@dataclass(frozen=True)
class HeatMap:
    """Rows of labels and cells under columns, and a legend of the colour's steps, from lowest to highest."""

    title: str
    corner: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], tuple[HeatCell, ...]], ...]
    legend: tuple[HeatCell, ...]


def estimates_map(
    title: str,
    corner: Sequence[str],
    columns: Sequence[str],
    rows: Sequence[EstimateRow],
    full: float | None = None,
) -> HeatMap:
    """A map of improvements; text stands as it is, and None as a dash.

    `full` is the share that gets the full colour, by default the least round one that no value exceeds. Raises
    ValueError for a ragged row.
    """
    for labels, cells in rows:
        if (len(labels), len(cells)) != (len(corner), len(columns)):
            raise ValueError(
                f"row {labels} of {title!r} has {len(labels)} labels and {len(cells)} cells; it must have "
                f"{len(corner)} and {len(columns)}"
            )
    full = full or full_colour(
        [cell.value for _, cells in rows for cell in cells if isinstance(cell, Estimate)]
    )
    return HeatMap(
        title=title,
        corner=tuple(corner),
        columns=tuple(columns),
        rows=tuple((labels, tuple(estimate_cell(cell, full) for cell in cells)) for labels, cells in rows),
        legend=tuple(
            HeatCell(minus(f"{100 * step * full:+.3g}%") if step else "0", shade=step) for step in _STEPS
        ),
    )


def estimate_cell(found: Estimate | str | None, full: float) -> HeatCell:
    """An improvement with its interval below; not sure where the interval has zero in it."""
    if not isinstance(found, Estimate):
        return HeatCell(found or "–", sure=False, number=False)
    sure = not found.interval or not (found.low or 0.0) <= 0.0 <= (found.high or 0.0)
    return HeatCell(minus(f"{found.value:.2%}"), minus(found.interval), _shade(found.value, full), sure)


def factors_map(
    title: str,
    corner: str,
    columns: Sequence[str],
    rows: Sequence[tuple[str, Sequence[float]]],
) -> HeatMap:
    """A map of factors around 1, such as gates; NaN is a dash."""
    full = full_colour([value - 1.0 for _, cells in rows for value in cells if not isnan(value)])
    return HeatMap(
        title=title,
        corner=(corner,),
        columns=tuple(columns),
        rows=tuple(
            (
                (label,),
                tuple(
                    HeatCell("–", sure=False, number=False)
                    if isnan(value)
                    else HeatCell(f"{value:.2f}", shade=_shade(value - 1.0, full))
                    for value in cells
                ),
            )
            for label, cells in rows
        ),
        legend=tuple(HeatCell(f"{1.0 + step * full:.4g}", shade=step) for step in _STEPS),
    )


def full_colour(values: Sequence[float]) -> float:
    """The least round share that no value exceeds; 1 when one does."""
    most = max(map(abs, values), default=0.0)
    return next((step for step in _FULL if most <= step), _FULL[-1])


def _shade(value: float, full: float) -> float:
    return max(-1.0, min(1.0, value / full))
