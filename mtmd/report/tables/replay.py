"""A replay as plain tables: whole requests by value, and slice by slice."""

from collections.abc import Iterator, Sequence

from mtmd.config import Slice
from mtmd.evaluate.replay_cells import QUANTITIES
from mtmd.evaluate.replay_report import EVERYWHERE, RANDOM, ReplayReport
from mtmd.evaluate.report import Estimate
from mtmd.report.page.charts import minus
from mtmd.report.tables.evaluation import SLICE_COLUMNS, Cell, Column, Table, columns_of


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


def replay_table(report: ReplayReport, cells: Sequence[Slice] | None = None) -> Table:
    """Whole requests ranked by value: a row per quantity and K that cuts a request.

    Over all surfaces and on each, unless some of these `cells` are given.
    """
    columns = (
        Column(name="surface", kind="text"),
        *columns_of("count", ("kept", "requests cut")),
        Column(name="share of", kind="text"),
        *columns_of("estimate", _compared(report)),
    )
    rows = [
        (where.surface, kept, cut, _spoken(report, name), *_row(report, where, kept, name))
        for where, kept, cut in _cuts(report, report.by_value if cells is None else cells)
        for name in QUANTITIES
    ]
    return Table(title=_title(report, "by value, whole requests"), columns=columns, rows=tuple(rows))


def replay_slices_table(report: ReplayReport) -> Table:
    """Every slice, ranked by its task's score: one row per K that cuts a request, with recall and value."""
    names = ("recall", "value")
    columns = (
        *SLICE_COLUMNS,
        *columns_of("count", ("requests", "kept", "requests cut")),
        *columns_of("estimate", (f"{name}: {compared}" for name in names for compared in _compared(report))),
    )
    rows = [
        (
            *where,
            report.cell(where).requests,
            kept,
            cut,
            *(cell for name in names for cell in _row(report, where, kept, name)),
        )
        for where, kept, cut in _cuts(report, report.slices)
    ]
    return Table(title=_title(report, "by task, inside a domain"), columns=columns, rows=tuple(rows))


def points(difference: Estimate | None) -> str:
    """A difference of shares in percentage points: `+1.20 [+0.50, +1.90]`."""
    if difference is None:
        return "–"
    value = _point(difference.value)
    if difference.low is None or difference.high is None:
        return value
    return f"{value} [{_point(difference.low)}, {_point(difference.high)}]"


def _point(share: float) -> str:
    return minus(f"{round(100 * share, 2) + 0.0:+.2f}")  # + 0.0: there is no −0.00


def _compared(report: ReplayReport) -> tuple[str, ...]:
    """Heads of `_row`."""
    return report.candidate, report.reference, "Δ points", "at random"


def _cuts(report: ReplayReport, cells: Sequence[Slice]) -> Iterator[tuple[Slice, int, int]]:
    """(cell, K, requests cut); without those that cut no request, where whoever keeps everything loses nothing."""
    for where in cells:
        for kept, cut in zip(report.kept, report.cell(where).cut, strict=True):
            if cut:
                yield where, kept, cut


def _row(report: ReplayReport, where: Slice, kept: int, name: str) -> tuple[Cell, ...]:
    """The candidate with its interval, the reference, their difference, and what is kept at random."""
    candidate, reference, random = (
        getattr(report.share(predictor, where, kept), name)
        for predictor in (report.candidate, report.reference, RANDOM)
    )
    difference = points(getattr(report.difference(where, kept), name))
    return candidate, _bare(reference), difference, _bare(random)


def _bare(share: Estimate | None) -> Estimate | None:
    return None if share is None else Estimate(value=share.value)


def _spoken(report: ReplayReport, name: str) -> str:
    return {"recall": f"the top {report.top}", "actions": "expected actions", "value": "value"}[name]


def _title(report: ReplayReport, how: str) -> str:
    return (
        f"Replay on {report.as_of}, {how}: share of the heavyweight ranker's top {report.top} that survives a cut, "
        f"with {report.confidence:.0%} intervals"
    )
