"""What people read of a monitored day: breaches first, then the champion's figures, drift and the trend."""

from collections.abc import Sequence

from mtmd.monitor.health import Finding, MonitorReport, Signal
from mtmd.report.page.charts import data_uri, line_chart
from mtmd.report.tables.evaluation import Column, Table

_DRIFT_ROWS = 20
_SLICE_SIGNALS: tuple[Signal, ...] = ("logmae", "calibration", "auc", "score shift")

_VERDICT = Column(name="verdict", kind="text")


def monitor(report: MonitorReport, trend: Sequence[MonitorReport]) -> str:
    """Markdown of one day; `trend` has the days before it too, oldest first."""
    lines = [
        f"## {report.day}: {'all is well' if not report.breaches else f'{len(report.breaches)} breaches'}",
        "",
        f"champion `{report.champion}`, as_of {report.champion_as_of}",
        "",
        *(f"- **{one.signal}**: {one.words}" for one in report.breaches),
        "",
        _freshness(report).markdown(),
        _slices(report).markdown(),
        _drift(report).markdown(),
        _trend(trend),
    ]
    return "\n".join(lines)


def _freshness(report: MonitorReport) -> Table:
    return Table(
        title="Freshness, in days",
        columns=tuple(Column(name=name, kind="text") for name in ("of", "days", "at most", "verdict")),
        rows=tuple(
            (one.where, _days(one.value), _days(one.reference), _mark(one)) for one in report.of("freshness")
        ),
    )


def _slices(report: MonitorReport) -> Table:
    by_place = {signal: {one.where: one for one in report.of(signal)} for signal in _SLICE_SIGNALS}
    rows = []
    for where in by_place["logmae"]:
        cells = [by_place[signal][where] for signal in _SLICE_SIGNALS]
        rows.append(
            (where, *(_pair(one) for one in cells), ", ".join(one.signal for one in cells if one.breach))
        )
    return Table(
        title="The champion on the day ← at its promotion (in brackets: too little data to judge)",
        columns=tuple(
            Column(name=name, kind="text")
            for name in ("slice", "LogMAE", "calibration", "AUC", "mean prediction", "breach")
        ),
        rows=tuple(rows),
    )


def _drift(report: MonitorReport) -> Table:
    found = sorted(report.of("feature drift"), key=_excess, reverse=True)
    return Table(
        title=f"Feature drift: PSI against the champion's training days, the {min(_DRIFT_ROWS, len(found))} of "
        f"{len(found)} that stand out most",
        columns=(
            Column(name="feature × domain", kind="text"),
            Column(name="PSI"),
            Column(name="largest of the training days"),
            _VERDICT,
        ),
        rows=tuple((one.where, one.value, one.reference, _mark(one)) for one in found[:_DRIFT_ROWS]),
    )


def _trend(trend: Sequence[MonitorReport]) -> str:
    """LogMAE over each task's slices, day by day; days without figures are left out."""
    series: dict[str, list[float]] = {}
    for report in trend:
        for one in report.of("logmae"):
            if one.where.startswith("all × ") and one.value is not None:
                series.setdefault(one.where.removeprefix("all × all × "), []).append(one.value)
    if not series:
        return ""
    title = f"LogMAE of the champion on each new day, {trend[0].day} to {trend[-1].day}"
    return f"![{title}]({data_uri(line_chart(title, 'monitored days, oldest first', series))})\n"


def _mark(one: Finding) -> str:
    if one.breach:
        return "**breach**"
    return "ok" if one.judged else "too few rows"


def _pair(one: Finding) -> str:
    own, then = ("–" if value is None else f"{value:.4g}" for value in (one.value, one.reference))
    return f"{own} ← {then}" if one.judged else f"({own} ← {then})"


def _days(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def _excess(one: Finding) -> tuple[bool, bool, float]:
    return one.breach, one.judged, (one.value or 0.0) / max(one.reference or 0.0, 0.01)
