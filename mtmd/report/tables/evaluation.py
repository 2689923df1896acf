"""An evaluation report as plain tables, for a terminal, an artifact or Markdown."""

from collections.abc import Sequence
from typing import Literal

from mtmd.config import Domain, Frozen, Slice
from mtmd.evaluate.report import Estimate, EvaluationReport

NOT_APPLICABLE = "N/A"
TABLE_1 = ("Surface", "Ad Type")  # the paper's heads of its Table 1, before the tasks


Cell = str | int | float | Estimate | None
Kind = Literal["text", "count", "number", "percent", "share", "estimate"]


class Column(Frozen):
    """A column; its kind says how a value is written."""

    name: str
    kind: Kind = "number"

    def text(self, value: Cell) -> str:
        """A value as people read it; an undefined one is a dash."""
        if value is None:
            return "–"
        if isinstance(value, str | Estimate):
            return str(value)
        forms = {
            "text": "{}",
            "count": "{:,}",
            "number": "{:.4f}",
            "percent": "{:+.2%}",
            "share": "{:.2%}",
            "estimate": "{:.2%}",
        }
        return forms[self.kind].format(value)


class Table(Frozen):
    """Rows of plain values under typed columns."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def records(self) -> list[dict[str, Cell]]:
        """One {column: value} per row."""
        return [dict(zip((c.name for c in self.columns), row, strict=True)) for row in self.rows]

    def texts(self) -> list[list[str]]:
        """The rows as people read them."""
        return [
            [column.text(value) for column, value in zip(self.columns, row, strict=True)] for row in self.rows
        ]

    def markdown(self) -> str:
        """A GitHub-flavoured table under its title; text left, numbers right."""
        head = [column.name for column in self.columns]
        rule = [":--" if column.kind == "text" else "--:" for column in self.columns]
        lines = [_line(head), _line(rule), *(_line(row) for row in self.texts())]
        return "\n".join([f"**{self.title}**", "", *lines, ""])


def logmae_table(report: EvaluationReport) -> Table:
    """Slices and task aggregates × LogMAE of each predictor, and the candidate's gain over the others."""
    rivals = [p for p in report.predictors if p != report.candidate]
    rows = [
        (
            *where,
            report.get(report.candidate, where).rows,
            *(report.get(predictor, where).logmae for predictor in report.predictors),
            *(report.improvement(report.candidate, rival, where) for rival in rivals),
        )
        for where in (*report.slices, *report.aggregates)
    ]
    columns = [
        *_slice_columns(),
        Column(name="rows", kind="count"),
        *(Column(name=predictor) for predictor in report.predictors),
        *(Column(name=f"vs {rival}", kind="percent") for rival in rivals),
    ]
    title = f"LogMAE against the teacher on {report.as_of} (lower is better; improvements positive = better)"
    return Table(title=title, columns=tuple(columns), rows=tuple(rows))


def estimate(
    report: EvaluationReport,
    predictor: str,
    reference: str,
    where: Slice,
    bucket: int | None = None,
) -> Estimate | None:
    """Improvement of `predictor` over `reference`: with its interval where the candidate was compared there.

    None where a LogMAE is undefined. Raises EvaluationError for a predictor, slice or bucket that the report lacks.
    """
    gain = report.improvement(predictor, reference, where, bucket)
    if gain is None:
        return None
    compared = predictor == report.candidate and reference != predictor and bucket in compared_buckets(report)
    if not compared:
        return Estimate(value=gain)
    pair = report.compared(reference, where, bucket)
    return Estimate(value=gain, low=pair.low, high=pair.high)


def compared_buckets(report: EvaluationReport) -> tuple[int | None, ...]:
    """The rank buckets that have intervals, top first, then None for all rows."""
    found = {pair.bucket for pair in report.comparisons}
    return (*sorted(bucket for bucket in found if bucket is not None), None)


def improvement_table(report: EvaluationReport, reference: str, predictor: str | None = None) -> Table:
    """LogMAE improvement in the form of the paper's Table 1: surface × ad type, one column per task.

    The candidate's improvements come with intervals.
    """
    predictor = predictor or report.candidate
    tasks = [aggregate.task for aggregate in report.aggregates]
    known = set(report.slices)

    def cell(surface: str, product: str, task: str) -> Cell:
        where = Slice(surface, product, task)
        return estimate(report, predictor, reference, where) if where in known else NOT_APPLICABLE

    rows = [
        (*map(spoken, domain), *(cell(*domain, task) for task in tasks))
        for domain in domains_of_table_1(report)
    ]
    columns = (
        *(Column(name=name, kind="text") for name in TABLE_1),
        *(Column(name=task.upper(), kind="estimate") for task in tasks),
    )
    title = f"LogMAE improvement of {predictor} over {reference} on {report.as_of}"
    return Table(title=title + _confidence(report, predictor), columns=columns, rows=tuple(rows))


def domains_of_table_1(report: EvaluationReport) -> list[Domain]:
    """(surface, product) in the paper's order, which is the alphabet's."""
    return sorted({Domain(at.surface, at.product) for at in report.slices})


def spoken(name: str) -> str:
    """A surface or a product as the paper writes it: `home feed`."""
    return name.replace("_", " ")


def bucket_table(
    report: EvaluationReport,
    reference: str,
    predictor: str | None = None,
    *,
    top: int = 5,
    slices: Sequence[Slice] | None = None,
) -> Table:
    """LogMAE improvement in the top rank buckets and over all rows (paper Table 6), by task unless told.

    The candidate's improvements come with intervals.
    """
    predictor = predictor or report.candidate
    where = report.aggregates if slices is None else slices
    cuts: list[int | None] = [*range(min(top, report.buckets)), None]
    rows = [(*at, *(estimate(report, predictor, reference, at, cut) for cut in cuts)) for at in where]
    names = ["all" if cut is None else str(cut) for cut in cuts]
    columns = (*_slice_columns(), *(Column(name=name, kind="estimate") for name in names))
    title = f"LogMAE improvement of {predictor} over {reference} by rank bucket (0 = top) on {report.as_of}"
    return Table(title=title + _confidence(report, predictor), columns=columns, rows=tuple(rows))


def action_table(report: EvaluationReport, predictor: str | None = None) -> Table:
    """A predictor against what users really did, by slice and task aggregate."""
    predictor = predictor or report.candidate
    columns = (
        *_slice_columns(),
        Column(name="impressions", kind="count"),
        Column(name="actions", kind="count"),
        Column(name="auc"),
        Column(name="log_loss"),
        Column(name="calibration"),
        Column(name="calibration to teacher"),
    )
    rows = []
    for at in (*report.slices, *report.aggregates):
        m = report.get(predictor, at)
        rows.append(
            (*at, m.impressions, m.positives, m.auc, m.log_loss, m.calibration, m.teacher_calibration)
        )
    title = f"{predictor} against real actions on {report.as_of} (calibration: predicted / happened)"
    return Table(title=title, columns=columns, rows=tuple(rows))


def _confidence(report: EvaluationReport, predictor: str) -> str:
    return f", with {report.confidence:.0%} intervals" if predictor == report.candidate else ""


def _slice_columns() -> tuple[Column, ...]:
    return tuple(Column(name=name, kind="text") for name in ("surface", "product", "task"))


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
