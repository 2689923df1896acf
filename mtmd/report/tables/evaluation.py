"""An evaluation report as plain tables, for a terminal, an artifact or Markdown."""

from collections.abc import Iterable, Sequence
from typing import Literal

from mtmd.config import Domain, Frozen, Slice
from mtmd.evaluate.report import Estimate, EvaluationReport
from mtmd.report.page.charts import minus

NOT_APPLICABLE = "N/A"

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
        if isinstance(value, str):
            return value
        if isinstance(value, Estimate):
            return minus(str(value))
        forms = {
            "text": "{}",
            "count": "{:,}",
            "number": "{:.4f}",
            "percent": "{:+.2%}",
            "share": "{:.2%}",
            "estimate": "{:.2%}",
        }
        return minus(forms[self.kind].format(value))


def columns_of(kind: Kind, names: Iterable[str]) -> tuple[Column, ...]:
    """Columns of one kind."""
    return tuple(Column(name=name, kind=kind) for name in names)


SLICE_COLUMNS = columns_of("text", ("surface", "product", "task"))


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
    columns = (
        *SLICE_COLUMNS,
        Column(name="rows", kind="count"),
        *columns_of("number", map(report.called, report.predictors)),
        *columns_of("percent", (f"vs {report.called(rival)}" for rival in rivals)),
    )
    title = f"LogMAE against the teacher on {report.as_of} (lower is better; improvements positive = better)"
    return Table(title=title, columns=columns, rows=tuple(rows))


def cold_table(report: EvaluationReport) -> Table:
    """LogMAE on rows whose value the window never had, and how many times that of its other rows it is."""
    rows = []
    for cold in report.cold:
        own, others = cold.logmae[report.candidate], cold.logmae_of_others[report.candidate]
        times = f"{own / others:.2f} ×" if own is not None and others else None
        share = cold.rows / (cold.rows + cold.others) if cold.rows + cold.others else None
        rows.append(
            (
                cold.feature,
                cold.task,
                cold.rows,
                share,
                *(cold.logmae[name] for name in report.predictors),
                others,
                times,
            )
        )
    columns = (
        *columns_of("text", ("new", "task")),
        Column(name="rows", kind="count"),
        Column(name="share", kind="share"),
        *columns_of("number", map(report.called, report.predictors)),
        Column(name=f"{report.candidate}, other rows"),
        Column(name="times that", kind="text"),
    )
    title = f"LogMAE on {report.as_of} of rows with a value that the window never had (lower is better)"
    return Table(title=title, columns=columns, rows=tuple(rows))


def explored_table(report: EvaluationReport) -> Table:
    """LogMAE and the candidate's calibration by how candidates came to be scored: chosen, or drawn at random."""
    rows: list[tuple[Cell, ...]] = []
    for own in report.explored:
        for name, count, logmae, calibration in (
            ("chosen", own.chosen, own.logmae_of_chosen, own.calibration_of_chosen),
            ("explored", own.rows, own.logmae, own.calibration),
        ):
            errors = (logmae[predictor] for predictor in report.predictors)
            rows.append((own.task, name, count, *errors, calibration[report.candidate]))
    columns = (
        *columns_of("text", ("task", "candidates")),
        Column(name="rows", kind="count"),
        *columns_of("number", map(report.called, report.predictors)),
        Column(name=f"{report.candidate}, calibration to teacher"),
    )
    title = f"LogMAE on {report.as_of} of candidates that were chosen, and of explored ones (lower is better)"
    return Table(title=title, columns=columns, rows=tuple(rows))


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
    buckets = {pair.bucket for pair in report.comparisons}
    return (*sorted(bucket for bucket in buckets if bucket is not None), None)


def bucket_columns(buckets: Iterable[int | None]) -> tuple[Column, ...]:
    """One column of estimates per rank bucket; None is all rows."""
    return columns_of("estimate", ("all" if bucket is None else str(bucket) for bucket in buckets))


def improvement_table(report: EvaluationReport, reference: str) -> Table:
    """The candidate's LogMAE improvement in the form of the paper's Table 1: surface × ad type, one column per task."""
    tasks = [aggregate.task for aggregate in report.aggregates]

    def cell(where: Slice) -> Cell:
        known = where in report.slices
        return estimate(report, report.candidate, reference, where) if known else NOT_APPLICABLE

    domains = sorted({Domain(where.surface, where.product) for where in report.slices})  # the paper's order
    return Table(
        title=f"LogMAE improvement of {report.candidate} over {report.called(reference)} on {report.as_of}, "
        f"with {report.confidence:.0%} intervals",
        columns=(
            *columns_of("text", ("Surface", "Ad Type")),
            *columns_of("estimate", (task.upper() for task in tasks)),
        ),
        rows=tuple(
            (*map(spoken, domain), *(cell(Slice(*domain, task)) for task in tasks)) for domain in domains
        ),
    )


def spoken(name: str) -> str:
    """A surface or a product as the paper writes it: `home feed`."""
    return name.replace("_", " ")


def action_table(report: EvaluationReport) -> Table:
    """The candidate against what users really did, by slice and task aggregate."""
    rows = []
    for where in (*report.slices, *report.aggregates):
        m = report.get(report.candidate, where)
        rows.append(
            (*where, m.impressions, m.positives, m.auc, m.log_loss, m.calibration, m.teacher_calibration)
        )
    return Table(
        title=f"{report.candidate} against real actions on {report.as_of} (calibration: predicted / happened)",
        columns=(
            *SLICE_COLUMNS,
            *columns_of("count", ("impressions", "actions")),
            *columns_of("number", ("auc", "log_loss", "calibration", "calibration to teacher")),
        ),
        rows=tuple(rows),
    )


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
