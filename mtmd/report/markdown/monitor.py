"""What people read of a monitored day: breaches first, then the champion's figures, drift and the trend."""

from collections.abc import Iterator, Sequence

from mtmd.monitor.health import Finding, MonitorReport, Signal
from mtmd.report.markdown.fitting import fitted
from mtmd.report.markdown.plain import cell, code, plain
from mtmd.report.page.charts import data_uri, line_chart
from mtmd.report.tables.evaluation import Column, Table, columns_of

_DRIFT_ROWS = 20
_SLICE_SIGNALS: tuple[Signal, ...] = ("logmae", "calibration", "auc", "score shift")


def monitor(report: MonitorReport, trend: Sequence[MonitorReport]) -> str:
    """Markdown of one day; `trend` has the days before it too, oldest first."""
    lines = [
        f"## {report.day}: {report.verdict}",
        "",
        f"champion {code(report.champion)}, as_of {report.champion_as_of}"
        if report.champion
        else "no champion",
        "",
        *(f"- **{finding.signal}**: {plain(finding.words)}" for finding in report.breaches),
        *(f"- suspected, {finding.signal}: {plain(finding.words)}" for finding in report.suspicions),
        "",
        fitted(_freshness(report)),
        fitted(_slices(report)),
        fitted(_drift(report)),
        fitted(_unjudged(report)) if report.unjudged else "",
        _trend(trend),
    ]
    return "\n".join(lines)


def _freshness(report: MonitorReport) -> Table:
    return Table(
        title="Freshness, in days",
        columns=columns_of("text", ("of", "days", "at most", "verdict")),
        rows=tuple(
            (finding.where, _days(finding.value), _days(finding.reference), _mark(finding))
            for finding in report.of("freshness")
        ),
    )


def _slices(report: MonitorReport) -> Table:
    by_place = {
        signal: {finding.where: finding for finding in report.of(signal)} for signal in _SLICE_SIGNALS
    }
    rows = []
    for where in by_place["logmae"]:
        cells = [by_place[signal][where] for signal in _SLICE_SIGNALS]
        rows.append(
            (
                where,
                *(_pair(finding) for finding in cells),
                ", ".join(f"{_mark(finding)} {finding.signal}" for finding in cells if _is_odd(finding)),
            )
        )
    return Table(
        title="The champion on the day ← at its promotion (in brackets: too little data to judge)",
        columns=columns_of("text", ("slice", "LogMAE", "calibration", "AUC", "mean prediction", "verdict")),
        rows=tuple(rows),
    )


def _drift(report: MonitorReport) -> Table:
    findings = sorted(report.of("feature drift"), key=_excess, reverse=True)
    return Table(
        title=f"Feature drift: PSI against the champion's training days, the {min(_DRIFT_ROWS, len(findings))} of "
        f"{len(findings)} that stand out most",
        columns=(
            Column(name="feature × domain", kind="text"),
            *columns_of("number", ("PSI", "largest of the training days")),
            Column(name="verdict", kind="text"),
        ),
        rows=tuple(
            (finding.where, finding.value, finding.reference, _mark(finding))
            for finding in findings[:_DRIFT_ROWS]
        ),
    )


def _unjudged(report: MonitorReport) -> Table:
    """How many numbers of a kind have too little data, and what is missing for one of them."""
    rows = []
    for signal in dict.fromkeys(finding.signal for finding in report.unjudged):
        without = [finding for finding in report.of(signal) if not finding.judged]
        counts = f"{len(without)} of {len(report.of(signal))}"
        rows.append((signal, counts, cell(f"{without[0].where}: {without[0].words}")))
    return Table(
        title="Not judged: too little data",
        columns=columns_of("text", ("what", "not judged", "such as")),
        rows=tuple(rows),
    )


def _trend(trend: Sequence[MonitorReport]) -> str:
    """LogMAE over each task's slices, day by day; days without figures are left out."""
    days = {report.day: figures for report in trend if (figures := dict(_figures(report)))}
    if not days:
        return ""
    tasks = dict.fromkeys(task for figures in days.values() for task in figures)
    series = {task: [figures.get(task) for figures in days.values()] for task in tasks}
    title = f"LogMAE of the champion on each new day, {min(days)} to {max(days)}"
    return f"![{title}]({data_uri(line_chart(title, 'monitored days, oldest first', series))})\n"


def _figures(report: MonitorReport) -> Iterator[tuple[str, float]]:
    """LogMAE by task, of the tasks that have one."""
    for finding in report.of("logmae"):
        if finding.where.startswith("all × ") and finding.value is not None:
            yield finding.where.removeprefix("all × all × "), finding.value


def _mark(finding: Finding) -> str:
    if finding.breach:
        return "**breach**"
    if finding.suspected:
        return "suspected"
    return "ok" if finding.judged else "too few rows"


def _is_odd(finding: Finding) -> bool:
    return finding.breach or finding.suspected


def _pair(finding: Finding) -> str:
    now, then = ("–" if value is None else f"{value:.4g}" for value in (finding.value, finding.reference))
    return f"{now} ← {then}" if finding.judged else f"({now} ← {then})"


def _days(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def _excess(finding: Finding) -> tuple[bool, bool, float]:
    return finding.breach, finding.judged, (finding.value or 0.0) / max(finding.reference or 0.0, 0.01)
