"""Tables of an evaluation. All of them iterate over the rows of `METRICS` and the rivals of `RIVAL_NAMES`."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal

from mtmd.config import GatesConfig, Slice
from mtmd.evaluate.on_actions import Interval, auc_interval, calibration_interval, log_loss_interval
from mtmd.evaluate.report import EVERYTHING, Estimate, EvaluationReport, SliceMetrics
from mtmd.promote.cold import ColdFinding
from mtmd.promote.counts import Tally, is_task
from mtmd.report.standing import (
    RIVAL_NAMES,
    rival_name,
    rivals_of,
    slice_findings,
    standing,
)
from mtmd.report.tables import SLICE_COLUMNS, Cell, Column, Table, columns_of
from mtmd.report.text import minus, traffic

ALL_TASKS = "all tasks"


@dataclass(frozen=True)
class Metric:
    """A number of a predictor on a slice.

    of         takes it from the slice's metrics
    better     which direction is better: `one` is a ratio that should be 1
    interval   of the number at a confidence, where it has one
    """

    name: str
    of: Callable[[SliceMetrics], float | None]
    better: Literal["lower", "higher", "one"]
    interval: Callable[[SliceMetrics, float], Interval | None] | None = None

    def text(self, metrics: SliceMetrics, confidence: float) -> str:
        """`0.7512 [0.7401, 0.7623]`; a dash where the number is undefined."""
        value = self.of(metrics)
        if value is None:
            return "–"
        found = self.interval(metrics, confidence) if self.interval else None
        return minus(f"{value:.4f}" + (f" [{found[0]:.4f}, {found[1]:.4f}]" if found else ""))

    def improvement(self, own: SliceMetrics, other: SliceMetrics) -> float | None:
        """How much better the first is than the second, as a share; of a ratio, how much nearer to 1 it is."""
        first, second = self.of(own), self.of(other)
        if first is None or not second:
            return None
        if self.better == "one":
            return abs(second - 1.0) - abs(first - 1.0)
        return first / second - 1.0 if self.better == "higher" else 1.0 - first / second


METRICS = (
    Metric("LogMAE", attrgetter("logmae"), "lower"),
    Metric("KL", attrgetter("kl"), "lower"),
    Metric("calibration to teacher", attrgetter("teacher_calibration"), "one", calibration_interval),
    Metric("AUC", attrgetter("auc"), "higher", auc_interval),
    Metric("log loss", attrgetter("log_loss"), "lower", log_loss_interval),
    Metric("calibration to actions", attrgetter("calibration"), "one"),
)


def metrics_table(report: EvaluationReport, places: Iterable[Slice] | None = None) -> Table:
    """The candidate's metrics by slice, then by task over its slices, or in these places alone."""
    rows = []
    for where in places or (*report.slices, *report.aggregates):
        own = report.get(report.candidate, where)
        numbers = (metric.text(own, report.confidence) for metric in METRICS)
        rows.append((*where, own.rows, *numbers, own.impressions, own.positives))
    return Table(
        title=f"Metrics of {report.candidate} on {report.as_of} (calibration: mean prediction / what should be)",
        columns=(
            *SLICE_COLUMNS,
            Column(name="rows", kind="count"),
            *columns_of("number", (metric.name for metric in METRICS)),
            *columns_of("count", ("shown", "actions")),
        ),
        rows=tuple(rows),
        keys=len(SLICE_COLUMNS),
    )


def tasks_table(report: EvaluationReport) -> Table:
    """Each metric of each task over its slices: of the candidate, and of every rival."""
    predictors = [report.candidate, *rivals_of(report)]
    rows = [
        (
            f"{where.task}: {metric.name}",
            *(metric.text(report.get(name, where), report.confidence) for name in predictors),
        )
        for where in report.aggregates
        for metric in METRICS
    ]
    return Table(
        title=f"Metrics over a task's slices on {report.as_of}",
        columns=(
            Column(name="metric", kind="text"),
            *columns_of("number", (report.candidate, *(rival_name(report, name) for name in predictors[1:]))),
        ),
        rows=tuple(rows),
    )


def gains_table(report: EvaluationReport) -> Table:
    """Slices and tasks × the candidate's LogMAE, and its improvement over each rival (paper Table 1)."""
    rivals = rivals_of(report)
    rows = []
    for where in (*report.slices, *report.aggregates):
        own = report.get(report.candidate, where)
        gains = (estimate(report, rival, where) for rival in rivals)
        rows.append((str(where) if not is_task(where) else f"{where.task}, all slices", own.logmae, *gains))
    return Table(
        title=f"LogMAE of {report.candidate} on {report.as_of}, and its improvement over each rival with "
        f"{report.confidence:.0%} intervals",
        columns=(
            Column(name="slice", kind="text"),
            Column(name="LogMAE"),
            *columns_of("estimate", (rival_name(report, rival) for rival in rivals)),
        ),
        rows=tuple(rows),
    )


def rivals_table(report: EvaluationReport, gates: GatesConfig) -> Table:
    """A row for each rival: in words, over all tasks and by task, and the judged slice where it is closest."""
    rows: list[tuple[Cell, ...]] = []
    for rival in rivals_of(report):
        gains = (estimate(report, rival, where) for where in (EVERYTHING, *report.aggregates))
        worst, tally = _worst(report, rival, gates)
        rows.append((rival_name(report, rival), standing(report, rival).words, *gains, worst, tally))
    return Table(
        title=f"Improvement of LogMAE over each rival, all slices, with {report.confidence:.0%} intervals",
        columns=(
            *columns_of("text", ("against the", "in words")),
            *columns_of("estimate", (ALL_TASKS, *(where.task for where in report.aggregates))),
            *columns_of("text", ("worst slice", "slices")),
        ),
        rows=tuple(rows),
    )


def _worst(report: EvaluationReport, rival: str, gates: GatesConfig) -> tuple[str, str]:
    """The judged slice with the least gain, with its traffic; and how many slices are better and worse."""
    findings = slice_findings(report, rival, gates)
    judged = [
        (finding.improvement, finding)
        for finding in findings
        if finding.judged and finding.improvement is not None and not is_task(finding.slice)
    ]
    if not judged:
        return "no slice could be judged", Tally.of(findings).words
    least, worst = min(judged, key=lambda pair: pair[0])
    gain = Estimate(value=least, low=worst.low, high=worst.high)
    mark = "✗ " if worst.decision == "worse" else ""
    return f"{mark}{worst.slice} ({traffic(report, worst.slice)}): {minus(str(gain))}", Tally.of(
        findings
    ).words


def buckets_table(report: EvaluationReport, rival: str | None = None) -> Table:
    """Improvement by rank bucket (0 = top): over every rival for all tasks, or over one rival task by task."""
    if rival is None:
        rows = [
            (rival_name(report, name), *_by_bucket(report, name, EVERYTHING)) for name in rivals_of(report)
        ]
    else:
        rows = [(where.task, *_by_bucket(report, rival, where)) for where in report.aggregates]
    over = "each rival, all tasks" if rival is None else f"the {rival_name(report, rival)}"
    return Table(
        title=f"Improvement of LogMAE over {over} by rank bucket",
        columns=(Column(name="task" if rival else "over the", kind="text"), *bucket_columns(report)),
        rows=tuple(rows),
    )


def bucket_columns(report: EvaluationReport) -> tuple[Column, ...]:
    """A column of estimates for each rank bucket that has intervals, and for all rows."""
    return columns_of("estimate", ("all" if one is None else str(one) for one in report.compared_buckets))


def _by_bucket(report: EvaluationReport, rival: str, where: Slice) -> Iterator[Estimate | None]:
    return (estimate(report, rival, where, bucket) for bucket in report.compared_buckets)


def estimate(
    report: EvaluationReport, rival: str, where: Slice, bucket: int | None = None
) -> Estimate | None:
    """The candidate's improvement over a rival with its interval; None where a LogMAE is undefined.

    Of all tasks (`EVERYTHING`) it is over their rows together: each row of each task counts once. Raises
    EvaluationError where the two were not compared.
    """
    pair = report.compared(rival, where, bucket)
    gain = pair.improvement
    return None if gain is None else Estimate(value=gain, low=pair.low, high=pair.high)


def new_values_table(findings: Iterable[ColdFinding]) -> Table:
    """Rows with a value that the window never had, such as a new ad: a row per rival, feature and task."""
    return Table(
        title="LogMAE of rows with a value that the window never had: information, no gate",
        columns=(
            *columns_of("text", ("new", "task", "rival")),
            Column(name="rows", kind="count"),
            *columns_of("number", ("candidate", "rival's")),
            Column(name="difference", kind="estimate"),
            Column(name="decision", kind="text"),
        ),
        rows=tuple(
            (
                *(
                    one.feature,
                    one.task,
                    RIVAL_NAMES.get(one.rival, one.rival),
                    one.rows,
                    one.own,
                    one.reference,
                ),
                None
                if one.improvement is None
                else Estimate(value=one.improvement, low=one.low, high=one.high),
                f"✗ {one.decision}" if one.decision == "worse" else one.decision,
            )
            for one in findings
        ),
        keys=3,
    )


def explored_table(report: EvaluationReport) -> Table:
    """LogMAE and calibration of the candidate by how its ads came to be scored: chosen, or drawn at random."""
    rows: list[tuple[Cell, ...]] = []
    for one in report.explored:
        for name, count, logmae, calibration in (
            ("chosen", one.chosen, one.logmae_of_chosen, one.calibration_of_chosen),
            ("explored", one.rows, one.logmae, one.calibration),
        ):
            errors = (logmae[predictor] for predictor in report.predictors)
            rows.append((one.task, name, count, *errors, calibration[report.candidate]))
    return Table(
        title=f"LogMAE on {report.as_of} of candidates that were chosen, and of explored ones (lower is better)",
        columns=(
            *columns_of("text", ("task", "candidates")),
            Column(name="rows", kind="count"),
            *columns_of("number", map(report.called, report.predictors)),
            Column(name=f"{report.candidate}, calibration to teacher"),
        ),
        rows=tuple(rows),
        keys=2,
    )
