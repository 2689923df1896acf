"""How much traffic a slice has: its share of the rows that have its task on the held-out day."""

from mtmd.config import Slice
from mtmd.evaluate.report import ALL, EvaluationReport


def traffic(report: EvaluationReport, where: Slice) -> str:
    """`12% of rows`, of all rows with a teacher score of the slice's task; empty where the task has no rows."""
    rows = report.get(report.candidate, where).rows
    whole = report.get(report.candidate, Slice(ALL, ALL, where.task)).rows
    if not whole:
        return ""
    share = rows / whole
    return f"{share:.0%} of rows" if share >= 0.1 or not rows else f"{share:.1%} of rows"
