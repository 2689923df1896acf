"""What cuts would cost: curves of recall and value over the number of kept candidates, and every slice's numbers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from mtmd.config import Slice
from mtmd.evaluate.replay_report import EVERYWHERE, ReplayReport
from mtmd.report.page.charts import line_chart
from mtmd.report.tables.evaluation import Table, spoken
from mtmd.report.tables.replay import replay_slices_table, replay_table, replay_words

_WIDTH = 400


@dataclass(frozen=True)
class ReplayView:
    """The section: what is counted, curves of recall and value per surface, and tables: everywhere, and folded ones."""

    words: str
    curves: tuple[tuple[Markup, ...], ...]
    everywhere: Table
    by_surface: Table
    by_slice: Table


def replay_view(report: ReplayReport) -> ReplayView:
    """Curves of all surfaces first; none where no request has a choice."""
    by_value = replay_table(report)
    return ReplayView(
        words=replay_words(report),
        curves=tuple(pair for where in report.by_value if (pair := tuple(_curves(report, where)))),
        everywhere=_rows(by_value, everywhere=True),
        by_surface=_rows(by_value, everywhere=False),
        by_slice=replay_slices_table(report),
    )


def _rows(by_value: Table, *, everywhere: bool) -> Table:
    """The rows over all surfaces, or those of each."""
    rows = tuple(row for row in by_value.rows if (row[0] == EVERYWHERE.surface) is everywhere)
    return by_value.model_copy(update={"rows": rows})


def _curves(report: ReplayReport, where: Slice) -> Iterator[Markup]:
    surface = "all surfaces" if where == report.by_value[0] else spoken(where.surface)
    for quantity, name in (("recall", f"of the top {report.top}"), ("value", "of the value")):
        series = {one: _series(report, one, where, quantity) for one in report.predictors}  # type: ignore[arg-type]
        if drawn := {one: points for one, points in series.items() if points}:
            chart = line_chart(
                f"{surface}: % {name}", "kept", drawn, width=_WIDTH, ticks=[str(kept) for kept in report.kept]
            )
            yield Markup(chart)  # its texts are escaped


def _series(
    report: ReplayReport, predictor: str, where: Slice, quantity: Literal["recall", "value"]
) -> list[float]:
    """Percent by K; empty where there is nothing to share."""
    found = [getattr(report.share(predictor, where, kept), quantity) for kept in report.kept]
    return [100.0 * one.value for one in found if one is not None]
