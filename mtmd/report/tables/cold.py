"""What reports say of rows with new values: of the gates a sentence and a table, and what a preset could do."""

from collections.abc import Iterator, Sequence

from mtmd.config import Feature
from mtmd.evaluate.report import ColdMetrics, Estimate
from mtmd.promote.cold import ColdFinding
from mtmd.report.standing import RIVAL_NAMES
from mtmd.report.tables.evaluation import Column, Table, columns_of

OFTEN = 0.05  # share of new values from which a preset should say what they read


def cold_advice(cold: Sequence[ColdMetrics], features: Sequence[Feature]) -> Iterator[str]:
    """A sentence for each feature that often has new values, and whose new values read what was never trained."""
    untrained = {
        one.name for one in features if one.kind == "categorical" and not (one.multi or one.min_count)
    }
    shares: dict[str, float] = {}
    for metrics in cold:
        share = metrics.rows / max(1, metrics.rows + metrics.others)
        shares[metrics.feature] = max(share, shares.get(metrics.feature, 0.0))
    for name, share in shares.items():
        if name in untrained and share >= OFTEN:
            yield (
                f"{name}: in {share:.0%} of the rows the value is new. It reads an embedding that was never trained, "
                "since the feature has no min_count. Try min_count = 3 with dropout = 0.2, and compare the errors of "
                "the next days."
            )


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
