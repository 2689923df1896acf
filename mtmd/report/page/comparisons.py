"""The candidate against its rivals: the paper's Table 1 and Table 6 as heat maps, and what they say as sentences.

The simulated A/B test (paper §3.3) has a sentence, too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mtmd.abtest.outcome import ABTest
from mtmd.config import variants
from mtmd.evaluate.report import ALL, EVERYTHING, Comparison, EvaluationReport
from mtmd.report.page.charts import enumerated
from mtmd.report.page.heat_map import HeatCell, HeatMap, estimates_map, full_colour
from mtmd.report.tables.ablation import factor_table
from mtmd.report.tables.evaluation import (
    Column,
    Table,
    bucket_columns,
    columns_of,
    compared_buckets,
    estimate,
    improvement_table,
)

RIVAL_NAMES = {
    "per_slice": "per-slice baselines",
    "pooled": "pooled two-tower",
    "champion": "champion",
    "anchor": "last full retrain",
    "constant": "constant",
}
_MAPPED = ("per_slice", "pooled", "champion")  # the constant is a floor, not a rival
POOLED = "pooled"


@dataclass(frozen=True)
class Standing:
    """The candidate against one rival over all rows of each task; each task is in one of the lists."""

    ahead: tuple[str, ...]
    tied: tuple[str, ...]
    behind: tuple[str, ...]

    @property
    def words(self) -> str:
        """`ahead on ctr and gctr, tied on octr`"""
        parts = (("ahead on", self.ahead), ("tied on", self.tied), ("behind on", self.behind))
        return ", ".join(f"{how} {enumerated(list(tasks))}" for how, tasks in parts if tasks)


def standing(report: EvaluationReport, reference: str) -> Standing:
    """Ahead or behind where the interval leaves zero out and another training seed would not make up for it.

    Tied where it does not, where the difference is noise between trainings, or where there is no number.
    """
    tasks: dict[str, list[str]] = {"ahead": [], "tied": [], "behind": []}
    for where in report.aggregates:
        tasks[_place(report.compared(reference, where), report.seed_noise)].append(where.task)
    return Standing(*map(tuple, tasks.values()))


def _place(pair: Comparison, seed_noise: float) -> str:
    if pair.low is None or pair.high is None or abs(pair.improvement or 0.0) < seed_noise:
        return "tied"
    return "ahead" if pair.low > 0 else "behind" if pair.high < 0 else "tied"


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
    known = [change for change in tested.whole if change.change is not None]
    groups = {
        "better in": [c.metric for c in known if c.significant and c.better],
        "worse in": [c.metric for c in known if c.significant and not c.better],
        "not to be told apart in": [c.metric for c in known if not c.significant],
    }
    parts = [f"{how} {enumerated(metrics)}" for how, metrics in groups.items() if metrics]
    rival = RIVAL_NAMES[tested.control]
    return f"Against the {rival}, over all impressions: {'; '.join(parts) or 'nothing to compare'}."


def rivals_map(report: EvaluationReport) -> HeatMap:
    """Rivals × tasks over all rows, with the standing as a sentence."""
    cells = {
        name: [estimate(report, report.candidate, name, where) for where in report.aggregates]
        for name in RIVAL_NAMES
        if name in report.predictors
    }
    table = Table(
        title="Over all rows of a task",
        columns=(
            Column(name="reference", kind="text"),
            *columns_of("estimate", (where.task for where in report.aggregates)),
        ),
        rows=tuple((RIVAL_NAMES[name], *row) for name, row in cells.items()),
    )
    rivals = [cell.value for name in _MAPPED for cell in cells.get(name, ()) if cell is not None]
    heat = estimates_map(table, full_colour(rivals))
    words = [HeatCell(standing(report, name).words, sure=False) for name in cells]
    return replace(
        heat,
        columns=(*heat.columns, "in words"),
        rows=tuple((labels, (*row, said)) for (labels, row), said in zip(heat.rows, words, strict=True)),
    )


def slice_maps(report: EvaluationReport) -> Iterator[HeatMap]:
    """The paper's Table 1: surface × ad type by task, one map per reference, the tasks' aggregates last."""
    for reference in _mapped(report):
        table = improvement_table(report, reference)
        whole = [estimate(report, report.candidate, reference, where) for where in report.aggregates]
        title = f"over the {RIVAL_NAMES[reference]}"
        yield estimates_map(Table(title=title, columns=table.columns, rows=(*table.rows, (ALL, ALL, *whole))))


def bucket_maps(report: EvaluationReport) -> Iterator[HeatMap]:
    """Tasks × rank buckets, one map per reference."""
    buckets = compared_buckets(report)
    for reference in _mapped(report):
        rows = tuple(
            (
                where.task,
                *(estimate(report, report.candidate, reference, where, bucket) for bucket in buckets),
            )
            for where in report.aggregates
        )
        columns = (Column(name="task", kind="text"), *bucket_columns(buckets))
        yield estimates_map(Table(title=f"over the {RIVAL_NAMES[reference]}", columns=columns, rows=rows))


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
