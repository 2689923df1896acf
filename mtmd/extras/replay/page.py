"""The section of a run's page: what a cut would cost on logged requests."""

from pathlib import Path

from mtmd.config import EvaluationConfig
from mtmd.extras.replay.evaluation import DIFFERENCE, QUANTITIES, RANDOM, REPLAY, ReplayReport
from mtmd.report.document import Section
from mtmd.report.tables import Column, Table, columns_of
from mtmd.report.view import RunRecords
from mtmd.store.files import read_json

_QUANTITIES = {"recall": "the top {top}", "value": "value of the top {top}"}


def sections(found: RunRecords) -> tuple[Section, ...]:
    """The replay of the run's held-out day; nothing where its evaluation has none."""
    report, task = found.summary.report, found.run.plan.preset.domains.task_names[0]
    if task in report.actions:
        words = f"A replay needs scores of all candidates, and {task} learns from actions."
        return (Section(anchor="replay", title="Replay", order=60, blocks=[words]),)
    path = Path(found.run.evaluated.path) / REPLAY
    return (section(ReplayReport.model_validate(read_json(path))),) if path.is_file() else ()


def section(report: ReplayReport) -> Section:
    """What each cut costs, by value over whole requests."""
    lead = f"{report.requests:,} of {report.requests + report.alone:,} requests have two candidates, and are replayed"
    if report.without_bid:
        lead += f". {report.without_bid:,} candidates have no bid, so no value"
    return Section(
        anchor="replay",
        title="Replay",
        order=60,
        lead=lead,
        blocks=[replay_table(report)],
        how=f"Each predictor keeps the best candidates of a request by bid × {report.task}, and the heavyweight ranker "
        f"takes its top of what was kept: shares of what it takes without a cut. The difference is of "
        f"{report.candidate} to {report.reference}, in percentage points, with {EvaluationConfig.confidence:.0%} "
        "intervals.",
    )


def replay_table(report: ReplayReport) -> Table:
    """A row per number of kept candidates that cuts a request, and quantity: whoever keeps everything loses nothing."""
    cuts = [
        (one.top, one.kept) for one in report.shares if one.predictor == DIFFERENCE and report.cut[one.kept]
    ]
    names = [report.candidate, report.reference, DIFFERENCE, RANDOM]
    rows = [
        (kept, report.cut[kept], _QUANTITIES[quantity].format(top=top),
         *(getattr(report.share(name, top, kept), quantity) for name in names))
        for top, kept in cuts
        for quantity in QUANTITIES
    ]  # fmt: skip
    columns = (
        *columns_of("count", ("kept", "requests cut")),
        Column(name="share of", kind="text"),
        *columns_of("estimate", (*names[:3], "at random")),
    )
    return Table(title="What survives a cut", columns=columns, rows=tuple(rows))
