"""MTMD against the per-slice baselines and the pooled two-tower over several training seeds, on the held-out day.

`python -m benchmarks.seeds --preset demo --as-of 2026-01-25`. One training differs from the next by as much as some
slices gain; the mean over seeds does not. Each model trains as in the daily job, with its own learning rate, and is
taken from the artifacts where it was trained before.
"""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import torch
from rich.console import Console

from benchmarks.runs import daily_plan, extracted, told, window_parser
from mtmd.config import Slice
from mtmd.evaluate.ablation import over_seeds
from mtmd.evaluate.evaluation import evaluate_predictors
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.predictors import constant_scores, score_day
from mtmd.evaluate.report import EVERYTHING, Estimate, EvaluationReport
from mtmd.extract.shards import Shard, ShardRef, open_shard
from mtmd.report.evaluation import ALL_TASKS, bucket_columns
from mtmd.report.tables import Cell, Column, Table, columns_of
from mtmd.run import RunPlan
from mtmd.store.files import write_text
from mtmd.train.stage import load_trained, train

RIVALS = ("per_slice", "pooled")


@told
def main(arguments: Sequence[str] | None = None) -> int:
    """Print LogMAE by slice and by rank bucket, and AUC; exit status 1 when the logs are wrong."""
    options = window_parser("seeds", __doc__, (0, 1, 2)).parse_args(arguments)
    torch.set_num_threads(options.threads)
    console = Console(soft_wrap=True, highlight=False)
    plan = daily_plan(options)
    shards = extracted(plan, plan.all_days)
    reports = []
    for seed in options.seeds:
        reports.append(report_of(plan.changed(None, seed), shards))
        console.print(f"seed {seed}: done", markup=False)
    tables = (
        logmae_over_seeds(reports),
        slices_over_seeds(reports),
        *buckets_over_seeds(reports),
        auc_over_seeds(reports),
    )
    text = "\n".join(table.markdown() for table in tables)
    console.print(text, markup=False)
    if options.output is not None:
        write_text(options.output, text)
    return 0


def logmae_over_seeds(reports: Sequence[EvaluationReport]) -> Table:
    """Mean LogMAE of each model; what MTMD gains, as a mean and from the worst seed to the best."""
    names = reports[0].predictors
    rows: list[tuple[Cell, ...]] = []
    gains: dict[str, list[float]] = {rival: [] for rival in RIVALS}
    for where in (*reports[0].slices, *reports[0].aggregates):
        means = [fmean(_values(reports, name, where, "logmae")) for name in names]
        own = _values(reports, reports[0].candidate, where, "logmae")
        cells = []
        for rival in RIVALS:
            by_seed = [
                1.0 - a / b for a, b in zip(own, _values(reports, rival, where, "logmae"), strict=True)
            ]
            cells.append(_spread(by_seed))
            if where in reports[0].slices:
                gains[rival].append(fmean(by_seed))
        rows.append((*where, reports[0].get(reports[0].candidate, where).rows, *means, *cells))
    mean_gains = [f"{fmean(gains[rival]):+.1%}" for rival in RIVALS]
    rows.append(("mean", "of", "slices", None, *(None for _ in names), *mean_gains))
    columns = (
        *(Column(name=name, kind="text") for name in ("surface", "product", "task")),
        Column(name="rows", kind="count"),
        *(Column(name=name) for name in names),
        *(Column(name=f"vs {rival} [seeds]", kind="text") for rival in RIVALS),
    )
    title = f"LogMAE against the teacher on {reports[0].as_of}, mean of {len(reports)} training seeds"
    return Table(title=title, columns=columns, rows=tuple(rows))


def slices_over_seeds(reports: Sequence[EvaluationReport]) -> Table:
    """In how many slices MTMD is ahead of each rival and behind: as a mean, with every seed, and beyond chance."""
    rows: list[tuple[Cell, ...]] = []
    for rival in RIVALS:
        bounds = [own for where in reports[0].slices if (own := _bounds(reports, rival, where)) is not None]
        ahead = [sum(least[way] > 0 for least, _ in bounds) for way in range(3)]
        behind = [sum(most[way] < 0 for _, most in bounds) for way in range(3)]
        rows.append((rival, len(bounds), *ahead, *behind))
    ways = ("", " with every seed", " beyond chance")
    names = ("slices", *(f"{side}{way}" for side in ("ahead", "behind") for way in ways))
    title = (
        f"Slices in which MTMD is ahead and behind on {reports[0].as_of}, beyond chance: {_chance(reports)}"
    )
    columns = (Column(name="over", kind="text"), *columns_of("count", names))
    return Table(title=title, columns=columns, rows=tuple(rows))


def _bounds(
    reports: Sequence[EvaluationReport], rival: str, where: Slice
) -> tuple[tuple[float, float, float], tuple[float, float, float]] | None:
    """The least and the most that a slice gains: as a mean, of one seed, and by the interval; None where undefined."""
    gains = [report.compared(rival, where).estimate for report in reports]
    values = [gain.value for gain in gains if gain is not None]
    both = over_seeds(gains, reports[0].confidence)
    if both is None or both.low is None or both.high is None:
        return None
    return (both.value, min(values), both.low), (both.value, max(values), both.high)


def buckets_over_seeds(reports: Sequence[EvaluationReport]) -> tuple[Table, Table]:
    """What MTMD gains by rank bucket, 0 the top, by task and over all of them.

    First with intervals over seeds and requests together, then with the lowest and the highest seed.
    """
    buckets = reports[0].compared_buckets
    both: list[tuple[Cell, ...]] = []
    spread: list[tuple[Cell, ...]] = []
    for rival in RIVALS:
        for where in (*reports[0].aggregates, EVERYTHING):
            found = [
                [report.compared(rival, where, bucket).estimate for report in reports] for bucket in buckets
            ]
            labels = (rival, ALL_TASKS if where == EVERYTHING else where.task)
            both.append((*labels, *(over_seeds(own, reports[0].confidence) for own in found)))
            spread.append((*labels, *(_range(own) for own in found)))
    columns = (
        *columns_of("text", ("over", "task")),
        *bucket_columns(reports[0]),
    )
    title = (
        f"Gain of MTMD in LogMAE by rank bucket on {reports[0].as_of}, mean of {len(reports)} training seeds"
    )
    return (
        Table(title=f"{title}, [{_chance(reports)}]", columns=columns, rows=tuple(both)),
        Table(title=f"{title}, [lowest seed, highest seed]", columns=columns, rows=tuple(spread)),
    )


def auc_over_seeds(reports: Sequence[EvaluationReport]) -> Table:
    """Mean AUC on real actions over all rows of each task, and calibration against the teacher."""
    rows: list[tuple[Cell, ...]] = []
    models = (reports[0].candidate, *RIVALS)
    for where in reports[0].aggregates:
        auc = [fmean(_values(reports, name, where, "auc")) for name in models]
        levels = [fmean(_values(reports, name, where, "teacher_calibration")) for name in models]
        rows.append((where.task, *auc, *levels))
    columns = (
        Column(name="task", kind="text"),
        *(Column(name=f"AUC {name}") for name in models),
        *(Column(name=f"calibration {name}") for name in models),
    )
    title = "AUC on real actions, and mean prediction / mean teacher score; means over seeds"
    return Table(title=title, columns=columns, rows=tuple(rows))


def report_of(plan: RunPlan, shards: Sequence[ShardRef]) -> EvaluationReport:
    """One seed's models, and the constant, on the held-out day."""
    declarations, window = plan.preset.declarations, shards[:-1]
    shard = _opened(shards[-1])
    day = HeldOutDay.of(shard, declarations)
    predictions = {
        kind: score_day(load_trained(plan, train(plan, kind, window)), shard, declarations)
        for kind in (plan.preset.candidate, *RIVALS)
    }
    constant = constant_scores(map(_opened, window), declarations, day)
    return evaluate_predictors(
        plan.as_of,
        declarations,
        day,
        predictions | {"constant": constant},
        plan.preset.evaluation,
    )


def _opened(ref: ShardRef) -> Shard:
    return open_shard(Path(ref.path))


def _chance(reports: Sequence[EvaluationReport]) -> str:
    """What the intervals are over: one seed has no spread."""
    over = "seeds and requests" if len(reports) > 1 else "requests"
    return f"{reports[0].confidence:.0%} over {over}"


def _range(gains: Sequence[Estimate | None]) -> Estimate | None:
    """The mean with the lowest and the highest seed; None where a seed has none."""
    known = [gain.value for gain in gains if gain is not None]
    if len(known) < len(gains):
        return None
    return Estimate(value=fmean(known), low=min(known), high=max(known))


def _values(reports: Sequence[EvaluationReport], predictor: str, where: Slice, metric: str) -> list[float]:
    """The metric of each seed; NaN where it is undefined."""
    found = [getattr(report.get(predictor, where), metric) for report in reports]
    return [float("nan") if value is None else value for value in found]


def _spread(values: Sequence[float]) -> str:
    return f"{fmean(values):+.1%} [{min(values):+.1%}, {max(values):+.1%}]"


if __name__ == "__main__":
    raise SystemExit(main())
