"""The candidate against its rivals: the paper's Table 1 and Table 6 as heat maps, and what they say as a sentence."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mtmd.config import Domain, Slice, variants
from mtmd.evaluate.report import ALL, EVERYTHING, Estimate, EvaluationReport
from mtmd.report.page.charts import enumerated
from mtmd.report.page.heat_map import EstimateRow, HeatCell, HeatMap, estimates_map, full_colour
from mtmd.report.tables.ablation import contributions
from mtmd.report.tables.evaluation import (
    NOT_APPLICABLE,
    TABLE_1,
    compared_buckets,
    domains_of_table_1,
    estimate,
    spoken,
)

RIVAL_NAMES = {
    "per_slice": "per-slice baselines",
    "pooled": "pooled two-tower",
    "champion": "champion",
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
    lists: dict[str, list[str]] = {"ahead": [], "tied": [], "behind": []}
    for where in report.aggregates:
        pair = report.compared(reference, where)
        how = "tied"
        if (
            pair.low is not None
            and pair.high is not None
            and abs(pair.improvement or 0.0) >= report.seed_noise
        ):
            how = "ahead" if pair.low > 0 else "behind" if pair.high < 0 else "tied"
        lists[how].append(where.task)
    return Standing(*(tuple(lists[how]) for how in ("ahead", "tied", "behind")))


def worth(report: EvaluationReport) -> str:
    """Whether the candidate is worth its cost against pooling alone, and how much one training can say of that."""
    if POOLED not in report.predictors:
        return "The pooled two-tower was not evaluated, so whether pooling alone is enough is not known."
    return (
        f"{_worth(standing(report, POOLED), report.candidate.upper())} This is one training seed of each: below "
        f"{report.seed_noise:.0%} a difference is noise between trainings, and counts as tied."
    )


def _worth(found: Standing, name: str) -> str:
    if not found.ahead:
        return f"Pooled is enough today: against pooling alone {name} is {found.words}, so it does not earn its cost."
    if found.behind:
        return (
            f"Mixed: against pooling alone {name} is {found.words}; it earns its cost on "
            f"{enumerated(list(found.ahead))} only, and pooling is better on {enumerated(list(found.behind))}."
        )
    if found.tied:
        ahead = enumerated(list(found.ahead))
        return f"{name} is worth its cost on {ahead}: against pooling alone it is {found.words}."
    return f"{name} is worth its cost: it is ahead of pooling alone on {enumerated(list(found.ahead))}."


def rivals_map(report: EvaluationReport) -> HeatMap:
    """Rivals × tasks over all rows, with the standing as a sentence."""
    tasks = [where.task for where in report.aggregates]
    present = [name for name in RIVAL_NAMES if name in report.predictors]
    rows: list[EstimateRow] = [
        (
            (RIVAL_NAMES[name],),
            [estimate(report, report.candidate, name, where) for where in report.aggregates],
        )
        for name in present
    ]
    rivals = [
        cell.value
        for (name,), cells in rows
        for cell in cells
        if name != "constant" and isinstance(cell, Estimate)
    ]
    found = estimates_map("Over all rows of a task", ["reference"], tasks, rows, full_colour(rivals))
    said = [HeatCell(standing(report, name).words, sure=False) for name in present]
    return HeatMap(
        title=found.title,
        corner=found.corner,
        columns=(*found.columns, "in words"),
        rows=tuple(
            (labels, (*cells, words)) for (labels, cells), words in zip(found.rows, said, strict=True)
        ),
        legend=found.legend,
    )


def slice_maps(report: EvaluationReport) -> Iterator[HeatMap]:
    """The paper's Table 1: surface × ad type by task, one map per reference, the tasks' aggregates last."""
    tasks = [where.task for where in report.aggregates]
    domains = [*domains_of_table_1(report), Domain(ALL, ALL)]
    known = {*report.slices, *report.aggregates}
    for reference in _mapped(report):
        rows: list[EstimateRow] = [
            (
                tuple(map(spoken, domain)),
                [
                    estimate(report, report.candidate, reference, at) if at in known else NOT_APPLICABLE
                    for at in (Slice(*domain, task) for task in tasks)
                ],
            )
            for domain in domains
        ]
        heads = [task.upper() for task in tasks]
        yield estimates_map(f"over the {RIVAL_NAMES[reference]}", TABLE_1, heads, rows)


def bucket_maps(report: EvaluationReport) -> Iterator[HeatMap]:
    """Tasks × rank buckets, one map per reference."""
    for reference in _mapped(report):
        rows = [((at.task,), _by_bucket(report, reference, at)) for at in report.aggregates]
        yield estimates_map(f"over the {RIVAL_NAMES[reference]}", ["task"], _bucket_names(report), rows)


def ablation_maps(reports: Sequence[EvaluationReport]) -> Iterator[HeatMap]:
    """The paper's Table 6: factor × rank bucket, over all tasks first, then task by task; one report per seed.

    Nothing without reports.
    """
    if not reports:
        return
    for where in (EVERYTHING, *reports[0].aggregates):
        rows: dict[str, list[Estimate | str | None]] = {}
        for one in contributions(reports, variants().values(), where):
            rows.setdefault(one.factor, []).append(one.improvement)
        title = "all tasks" if where == EVERYTHING else where.task
        names = _bucket_names(reports[0])
        yield estimates_map(title, ["factor"], names, [((factor,), cells) for factor, cells in rows.items()])


def _mapped(report: EvaluationReport) -> list[str]:
    return [name for name in _MAPPED if name in report.predictors]


def _bucket_names(report: EvaluationReport) -> list[str]:
    return ["all" if bucket is None else str(bucket) for bucket in compared_buckets(report)]


def _by_bucket(report: EvaluationReport, reference: str, at: Slice) -> list[Estimate | str | None]:
    return [estimate(report, report.candidate, reference, at, bucket) for bucket in compared_buckets(report)]
