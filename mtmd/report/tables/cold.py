"""What the gates' report says of rows with new values: a sentence, and a table."""

from collections.abc import Sequence

from mtmd.evaluate.report import Estimate
from mtmd.promote.cold import ColdFinding
from mtmd.report.standing import RIVAL_NAMES
from mtmd.report.tables.evaluation import Column, Table, columns_of


def cold_words(findings: Sequence[ColdFinding]) -> str:
    """How often the candidate is better or worse than each rival, and how much could not be judged."""
    said = []
    for rival in dict.fromkeys(finding.rival for finding in findings):
        own = [finding.decision for finding in findings if finding.rival == rival]
        judged = [decision for decision in own if decision != "not enough data"]
        words = f"against the {RIVAL_NAMES[rival]} {judged.count('worse')} of {len(judged)} worse and "
        words += f"{judged.count('better')} better"
        if len(judged) < len(own):
            words += f" ({len(own) - len(judged)} not judged)"
        said.append(words)
    if not said:
        return "The held-out day has no row with a new value."
    return f"On rows with new values, feature by feature and task by task: {'; '.join(said)}."


def cold_gate_table(findings: Sequence[ColdFinding]) -> Table:
    """A row per rival, feature and task."""
    return Table(
        title="Rows with a value that the window never had: information, no gate",
        columns=(
            *columns_of("text", ("rival", "new", "task")),
            Column(name="rows", kind="count"),
            *columns_of("number", ("rival's LogMAE", "candidate's LogMAE")),
            Column(name="difference", kind="estimate"),
            Column(name="in words", kind="text"),
        ),
        rows=tuple(
            (
                finding.rival,
                finding.feature,
                finding.task,
                finding.rows,
                finding.reference,
                finding.own,
                None
                if finding.improvement is None
                else Estimate(value=finding.improvement, low=finding.low, high=finding.high),
                finding.decision,
            )
            for finding in findings
        ),
    )
