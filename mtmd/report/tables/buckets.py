"""Gains by rank bucket, as in the paper's Table 6: bucket 0 has the highest teacher scores of a slice."""

from mtmd.config import Slice
from mtmd.evaluate.report import EVERYTHING, Estimate, EvaluationReport
from mtmd.report.standing import TOP_BUCKETS, rival_name, rivals_of, top_standing
from mtmd.report.tables.evaluation import (
    Column,
    Table,
    bucket_columns,
    columns_of,
    compared_buckets,
    estimate,
)

ALL_TASKS = "all tasks"


def bucket_table(report: EvaluationReport, reference: str) -> Table:
    """Gain over a rival by task, and over all tasks, in the rank buckets that have intervals and over all rows."""
    buckets = compared_buckets(report)
    rows = [
        (where.task, *(estimate(report, report.candidate, reference, where, bucket) for bucket in buckets))
        for where in report.aggregates
    ]
    whole = (ALL_TASKS, *(gain_of(report, reference, EVERYTHING, bucket) for bucket in buckets))
    return Table(
        title=f"LogMAE improvement of {report.candidate} over {report.called(reference)} by rank bucket (0 = top) "
        f"on {report.as_of}, with {report.confidence:.0%} intervals",
        columns=(Column(name="task", kind="text"), *bucket_columns(buckets)),
        rows=(*rows, whole),
    )


def rivals_by_bucket(report: EvaluationReport) -> Table:
    """Gain over each rival by rank bucket over all tasks; the last column says where buckets 0 and 1 stand."""
    buckets = compared_buckets(report)
    has_top = set(TOP_BUCKETS) <= set(buckets)
    return Table(
        title=f"LogMAE improvement of {report.candidate} over each rival by rank bucket (0 = top), {ALL_TASKS}, on "
        f"{report.as_of}, with {report.confidence:.0%} intervals",
        columns=(
            Column(name="over", kind="text"),
            *bucket_columns(buckets),
            *columns_of("text", ["in 0 and 1"] if has_top else []),
        ),
        rows=tuple(
            (
                rival_name(report, rival),
                *(gain_of(report, rival, EVERYTHING, bucket) for bucket in buckets),
                *([top_standing(report, rival)] if has_top else []),
            )
            for rival in rivals_of(report)
        ),
    )


def gain_of(report: EvaluationReport, reference: str, where: Slice, bucket: int | None) -> Estimate | None:
    """The candidate's gain over a reference with its interval; None where a LogMAE is undefined.

    Of all tasks (`EVERYTHING`) it is over their rows together: each row of each task counts once.
    """
    pair = report.compared(reference, where, bucket)
    gain = pair.improvement
    return None if gain is None else Estimate(value=gain, low=pair.low, high=pair.high)
