"""Line charts of a run: its trainings, and what cuts would cost."""

from collections.abc import Iterator

from markupsafe import Markup

from mtmd.config import Slice
from mtmd.evaluate.replay_report import EVERYWHERE, ReplayReport
from mtmd.report.page.charts import line_chart
from mtmd.train.results import FitResult

_REPLAY_WIDTH = 400


def training_chart(title: str, fit: FitResult, width: int = 640) -> str:
    """SVG of both losses by epoch; the epoch whose weights are kept is marked."""
    losses = {
        "train": [epoch.train_loss for epoch in fit.epochs],
        "validation": [epoch.validation_loss for epoch in fit.epochs],
    }
    return line_chart(title, "epoch", losses, best=fit.best_epoch, width=width)


def replay_charts(report: ReplayReport) -> list[list[Markup]]:
    """Recall and value over the number of kept candidates, all surfaces first; none where no request has a choice."""
    return [charts for where in report.by_value if (charts := list(_surface_charts(report, where)))]


def _surface_charts(report: ReplayReport, where: Slice) -> Iterator[Markup]:
    surface = "all surfaces" if where == EVERYWHERE else where.surface
    for quantity, name in (("recall", f"of the top {report.top}"), ("value", "of the value")):
        series = {predictor: _percents(report, predictor, where, quantity) for predictor in report.predictors}
        if any(series.values()):
            chart = line_chart(
                f"{surface}: % {name}",
                "kept",
                {predictor: percents for predictor, percents in series.items() if percents},
                width=_REPLAY_WIDTH,
                ticks=[str(kept) for kept in report.kept],
            )
            yield Markup(chart)  # its texts are escaped


def _percents(report: ReplayReport, predictor: str, where: Slice, quantity: str) -> list[float]:
    """By K; empty where there is nothing to share."""
    shares = [getattr(report.share(predictor, where, kept), quantity) for kept in report.kept]
    return [100.0 * share.value for share in shares if share is not None]
