"""The section of a replay: what a cut would cost on logged requests, by value over whole requests."""

from collections.abc import Iterator, Sequence

from mtmd.config import Slice
from mtmd.evaluate.replay_cells import QUANTITIES
from mtmd.evaluate.replay_report import EVERYWHERE, RANDOM, ReplayReport
from mtmd.report.document import Fold, Section
from mtmd.report.tables import Cell, Column, Table, columns_of

_QUANTITIES = {"recall": "the top {top}", "actions": "expected actions", "value": "value"}


def replay_section(report: ReplayReport) -> Section:
    """In words, then over all surfaces; surface by surface in a fold."""
    weights = " + ".join(f"{weight:g} · {task}" for task, weight in report.weights.items())
    return Section(
        anchor="replay",
        title="Replay",
        order=60,
        lead=replay_words(report),
        blocks=[
            replay_table(report, report.by_value[:1]),
            Fold("By surface", [replay_table(report, report.by_value[1:])]),
        ],
        how=f"Each predictor keeps the best candidates of a request by bid × ({weights}), and the heavyweight ranker "
        f"takes its top {report.top} of what was kept: shares of what it takes without a cut. The difference is of "
        f"{report.candidate} to {report.reference}, in percentage points, with {report.confidence:.0%} intervals.",
    )


def replay_words(report: ReplayReport) -> str:
    """What is counted and what is not, in a few sentences."""
    whole = report.cell(EVERYWHERE)
    unknown = f" {report.without_bid:,} candidates have no bid, so no value." if report.without_bid else ""
    words = f"{whole.requests:,} of {whole.requests + whole.alone:,} requests have two candidates or more"
    if not whole.requests:
        return f"{words}: there is nothing to choose, so nothing to replay.{unknown}"
    cut = ", ".join(f"{most:,} at {kept}" for kept, most in zip(report.kept, whole.cut, strict=True))
    left_out = "; the others have nothing to choose, and are not counted" if whole.alone else ""
    return (
        f"{words}{left_out}. Requests that are cut, by the number of candidates that is kept: {cut}.{unknown}"
    )


def replay_table(report: ReplayReport, cells: Sequence[Slice]) -> Table:
    """A row per surface, number of kept candidates that cuts a request, and quantity."""
    names = (report.candidate, report.reference, "difference", "at random")
    rows = [
        (where.surface, kept, cut, _QUANTITIES[name].format(top=report.top), *_row(report, where, kept, name))
        for where in cells
        for kept, cut in zip(report.kept, report.cell(where).cut, strict=True)
        if cut  # whoever keeps everything loses nothing
        for name in QUANTITIES
    ]
    columns = (
        Column(name="surface", kind="text"),
        *columns_of("count", ("kept", "requests cut")),
        Column(name="share of", kind="text"),
        *columns_of("estimate", names),
    )
    return Table(title=f"Replay on {report.as_of}: what survives a cut", columns=columns, rows=tuple(rows))


def _row(report: ReplayReport, where: Slice, kept: int, name: str) -> Iterator[Cell]:
    """The candidate with its interval, the reference, their difference, and what is kept at random."""
    for predictor in (report.candidate, report.reference):
        yield getattr(report.share(predictor, where, kept), name)
    yield getattr(report.difference(where, kept), name)
    yield getattr(report.share(RANDOM, where, kept), name)
