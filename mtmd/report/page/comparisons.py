"""The candidate against its rivals: the paper's Table 1 and Table 6 as heat maps, and what they say as sentences.

The simulated A/B test (paper §3.3) has a sentence, too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from mtmd.abtest.outcome import ABTest
from mtmd.config import Domain, Slice, variants
from mtmd.evaluate.report import ALL, EVERYTHING, Estimate, EvaluationReport
from mtmd.report.page.charts import enumerated
from mtmd.report.page.heat_map import HeatCell, HeatMap, estimates_map, full_colour
from mtmd.report.standing import RIVAL_NAMES, Standing, rival_name, rivals_of, standing
from mtmd.report.tables.ablation import factor_table
from mtmd.report.tables.buckets import bucket_table, rivals_by_bucket
from mtmd.report.tables.evaluation import (
    SLICE_COLUMNS,
    Column,
    Table,
    columns_of,
    estimate,
    improvement_table,
)

_MAPPED = ("per_slice", "pooled", "champion")  # the constant is a floor, not a rival
POOLED = "pooled"


def worth(report: EvaluationReport) -> str:
    """Whether the candidate is worth its cost against pooling alone, and how much one training can say of that."""
    if POOLED not in report.predictors:
        return "The pooled two-tower was not evaluated, so whether pooling alone is enough is not known."
    return (
        f"{_worth(standing(report, POOLED), report.candidate.upper())} This is one training seed of each: below "
        f"{report.seed_noise:.0%} a difference is noise between trainings, and counts as tied."
    )


def _worth(pooled: Standing, name: str) -> str:
    ahead, behind = enumerated(list(pooled.ahead)), enumerated(list(pooled.behind))
    if not pooled.ahead:
        return f"Pooled is enough today: against pooling alone {name} is {pooled.words}, so it does not earn its cost."
    if pooled.behind:
        return (
            f"Mixed: against pooling alone {name} is {pooled.words}; it earns its cost on {ahead} only, and pooling is "
            f"better on {behind}."
        )
    if pooled.tied:
        return f"{name} is worth its cost on {ahead}: against pooling alone it is {pooled.words}."
    return f"{name} is worth its cost: it is ahead of pooling alone on {ahead}."


def ab_test_words(tested: ABTest) -> str:
    """Which metrics of the simulated A/B differ: one that chance explains is neither better nor worse."""
    known = [change for change in tested.distinct if change.change is not None]
    groups = {
        "better in": [c.metric for c in known if c.significant and c.better],
        "worse in": [c.metric for c in known if c.significant and not c.better],
        "not to be told apart in": [c.metric for c in known if not c.significant],
    }
    parts = [f"{how} {enumerated(metrics)}" for how, metrics in groups.items() if metrics]
    rival = RIVAL_NAMES[tested.control]
    following = f" {tested.following_words}: no further evidence." if tested.follows else ""
    return (
        f"Against the {rival}, over all impressions: {'; '.join(parts) or 'nothing to compare'}.{following}"
    )


def rivals_map(report: EvaluationReport) -> HeatMap:
    """Rivals × tasks over all rows, with the standing as a sentence."""
    names = rivals_of(report)
    table = Table(
        title="Over all rows of a task",
        columns=(
            Column(name="reference", kind="text"),
            *columns_of("estimate", (where.task for where in report.aggregates)),
        ),
        rows=tuple(
            (
                rival_name(report, name),
                *(estimate(report, report.candidate, name, where) for where in report.aggregates),
            )
            for name in names
        ),
    )
    words = [[HeatCell(standing(report, name).words, sure=False)] for name in names]
    return _with_words(estimates_map(table, _full(report, table)), ["in words"], words)


def slice_maps(report: EvaluationReport) -> Iterator[HeatMap]:
    """The paper's Table 1: surface × ad type by task, one map per reference, the tasks' aggregates last."""
    domains = sorted({Domain(where.surface, where.product) for where in report.slices})  # as the table's rows
    for reference in _mapped(report):
        table = improvement_table(report, reference)
        whole = [estimate(report, report.candidate, reference, where) for where in report.aggregates]
        named = [(f"{d.surface} × {d.product}", *row[2:]) for d, row in zip(domains, table.rows, strict=True)]
        yield estimates_map(
            Table(
                title=f"over the {rival_name(report, reference)}",
                columns=(Column(name="surface × product", kind="text"), *table.columns[2:]),
                rows=(*named, (f"{ALL} × {ALL}", *whole)),
            )
        )


def joined(table: Table) -> Table:
    """A table whose first columns are surface, product and task, with slices as they are written everywhere."""
    return Table(
        title=table.title,
        columns=(Column(name="slice", kind="text"), *table.columns[len(SLICE_COLUMNS) :]),
        rows=tuple((str(Slice(*map(str, row[:3]))), *row[3:]) for row in table.rows),
    )


def top_map(report: EvaluationReport) -> HeatMap:
    """Rivals × rank buckets over all tasks; the last column says in words where the two top buckets stand."""
    table = rivals_by_bucket(report)
    numbers = sum(column.kind != "text" for column in table.columns) + 1
    cut = Table(
        title="Over all tasks",
        columns=table.columns[:numbers],
        rows=tuple(row[:numbers] for row in table.rows),
    )
    words = [[HeatCell(str(cell), sure=False) for cell in row[numbers:]] for row in table.rows]
    return _with_words(
        estimates_map(cut, _full(report, cut)), [column.name for column in table.columns[numbers:]], words
    )


def bucket_maps(report: EvaluationReport) -> Iterator[HeatMap]:
    """Tasks × rank buckets, one map per rival, all tasks together last."""
    for reference in rivals_of(report):
        table = bucket_table(report, reference)
        yield estimates_map(table.model_copy(update={"title": f"over the {rival_name(report, reference)}"}))


def _with_words(heat: HeatMap, names: Sequence[str], words: Sequence[Sequence[HeatCell]]) -> HeatMap:
    """The map with further columns of words, a sequence of them per row."""
    return replace(
        heat,
        columns=(*heat.columns, *names),
        rows=tuple((labels, (*row, *said)) for (labels, row), said in zip(heat.rows, words, strict=True)),
    )


def _full(report: EvaluationReport, table: Table) -> float:
    """The full colour of a table of rivals, which the constant does not bleach."""
    rivals = [rival_name(report, name) for name in _MAPPED]
    return full_colour(
        [cell.value for row in table.rows if row[0] in rivals for cell in row if isinstance(cell, Estimate)]
    )


def ablation_maps(reports: Sequence[EvaluationReport]) -> Iterator[HeatMap]:
    """The paper's Table 6: factor × rank bucket, over all tasks first, then task by task; one report per seed.

    Nothing without reports.
    """
    if not reports:
        return
    for where in (EVERYTHING, *reports[0].aggregates):
        table = factor_table(reports, variants().values(), where)  # its last column is the verdict
        title = "all tasks" if where == EVERYTHING else where.task
        rows = tuple(row[:-1] for row in table.rows)
        yield estimates_map(Table(title=title, columns=table.columns[:-1], rows=rows))


def _mapped(report: EvaluationReport) -> list[str]:
    return [name for name in _MAPPED if name in report.predictors]
