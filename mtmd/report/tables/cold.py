"""What reports say of rows with new values: of the gates a sentence and a table, and what a preset could do."""

from collections.abc import Iterator, Sequence

from mtmd.config import Feature
from mtmd.evaluate.report import ColdMetrics, Estimate
from mtmd.promote.cold import ColdFinding
from mtmd.report.standing import RIVAL_NAMES
from mtmd.report.tables.evaluation import Column, Table, columns_of

OFTEN = 0.05  # share of new values from which a preset should say what they read


def cold_advice(cold: Sequence[ColdMetrics], features: Sequence[Feature]) -> Iterator[str]:
    """A sentence for each feature that often has new values, and whose new values read what was never trained.

    How often is the largest share of a task's rows.
    """
    untrained = {feature.name: why for feature in features if (why := _untrained(feature, features))}
    largest: dict[str, tuple[float, str]] = {}
    for one in cold:
        share = one.rows / max(1, one.rows + one.others)
        if share > largest.get(one.feature, (0.0, ""))[0]:
            largest[one.feature] = share, one.task
    for name, (share, task) in largest.items():
        if name in untrained and share >= OFTEN:
            yield (
                f"{name}: in {share:.0%} of the rows of {task} the value is new. Such a value reads what was never "
                f"trained, since {untrained[name]}. Try min_count = 3 with dropout = 0.2, and compare the errors of "
                "the next days."
            )


def _untrained(feature: Feature, features: Sequence[Feature]) -> str:
    """Why a new value of a feature reads what was never trained; empty where it may not.

    A value that one feature never had may be known to another of the same table.
    """
    tables = {other.table for other in features}
    if feature.kind != "categorical" or feature.multi or feature.table or feature.name in tables:
        return ""
    if feature.min_count is None:
        return "the feature has no min_count"
    return "nothing teaches its default" if feature.min_count == 1 and not feature.dropout else ""


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
