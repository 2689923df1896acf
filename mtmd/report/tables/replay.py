"""A replay as plain tables: whole requests by value, and slice by slice."""

from collections.abc import Iterator, Sequence

from mtmd.config import Slice
from mtmd.evaluate.replay_cells import QUANTITIES
from mtmd.evaluate.replay_report import EVERYWHERE, RANDOM, ReplayReport, ReplayShare
from mtmd.evaluate.report import Estimate
from mtmd.report.tables.evaluation import Cell, Column, Table


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


def replay_table(report: ReplayReport) -> Table:
    """Whole requests ranked by value, over all surfaces and on each: a row per quantity and K that cuts a request."""
    columns = (
        Column(name="surface", kind="text"),
        Column(name="kept", kind="count"),
        Column(name="requests cut", kind="count"),
        Column(name="share of", kind="text"),
        *_compared(report),
    )
    rows = [
        (where.surface, kept, cut, _spoken(report, name), *_row(report, where, kept, name))
        for where, kept, cut in _cuts(report, report.by_value)
        for name in QUANTITIES
    ]
    return Table(title=_title(report, "by value, whole requests"), columns=columns, rows=tuple(rows))


def replay_slices_table(report: ReplayReport) -> Table:
    """Every slice, ranked by its task's score: one row per K that cuts a request, with recall and value."""
    names = ("recall", "value")
    columns = (
        *(Column(name=name, kind="text") for name in ("surface", "product", "task")),
        Column(name="requests", kind="count"),
        Column(name="kept", kind="count"),
        Column(name="requests cut", kind="count"),
        *(
            column.model_copy(update={"name": f"{name}: {column.name}"})
            for name in names
            for column in _compared(report)
        ),
    )
    rows = [
        (
            *where,
            report.cell(where).requests,
            kept,
            cut,
            *(found for name in names for found in _row(report, where, kept, name)),
        )
        for where, kept, cut in _cuts(report, report.slices)
    ]
    return Table(title=_title(report, "by task, inside a domain"), columns=columns, rows=tuple(rows))


def points(found: Estimate | None) -> str:
    """A difference of shares in percentage points: `+1.20 [+0.50, +1.90]`."""
    if found is None:
        return "–"
    if found.low is None or found.high is None:
        return _point(found.value)
    return f"{_point(found.value)} [{_point(found.low)}, {_point(found.high)}]"


def _point(share: float) -> str:
    return f"{round(100 * share, 2) + 0.0:+.2f}"  # + 0.0: there is no −0.00


def _compared(report: ReplayReport) -> tuple[Column, ...]:
    return (
        Column(name=report.candidate, kind="estimate"),
        Column(name=report.reference, kind="estimate"),
        Column(name="Δ points", kind="estimate"),
        Column(name="at random", kind="estimate"),
    )


def _cuts(report: ReplayReport, cells: Sequence[Slice]) -> Iterator[tuple[Slice, int, int]]:
    """(cell, K, requests cut); without those that cut no request, where whoever keeps everything loses nothing."""
    for where in cells:
        for kept, cut in zip(report.kept, report.cell(where).cut, strict=True):
            if cut:
                yield where, kept, cut


def _row(report: ReplayReport, where: Slice, kept: int, name: str) -> tuple[Cell, ...]:
    """The candidate with its interval, the reference, their difference, and what is kept at random."""
    own, other, random = (
        _of(report.share(one, where, kept), name) for one in (report.candidate, report.reference, RANDOM)
    )
    return own, _bare(other), points(_of(report.difference(where, kept), name)), _bare(random)


def _bare(found: Estimate | None) -> Estimate | None:
    return None if found is None else Estimate(value=found.value)


def _of(share: ReplayShare, name: str) -> Estimate | None:
    found: Estimate | None = getattr(share, name)
    return found


def _spoken(report: ReplayReport, name: str) -> str:
    return {"recall": f"the top {report.top}", "actions": "expected actions", "value": "value"}[name]


def _title(report: ReplayReport, how: str) -> str:
    return (
        f"Replay on {report.as_of}, {how}: share of the heavyweight ranker's top {report.top} that survives a cut, "
        f"with {report.confidence:.0%} intervals"
    )
