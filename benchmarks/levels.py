"""How much of each model's error is level: `python -m benchmarks.levels --preset kuairand --as-of 2022-04-30`.

The teacher's level moves from day to day, and a window's average is behind it. Each model is held against the held-out
day as it was trained, and again with its biases moved to the window's newest day, as `training.level_days = 1` does.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from benchmarks.runs import extracted, print_measured, window_parser, window_plan
from benchmarks.seeds import MODELS
from mtmd.config import Slice
from mtmd.evaluate.evaluation import evaluate_predictors
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.predictors import score_day
from mtmd.evaluate.report import EvaluationReport
from mtmd.extract.shards import ShardRef, open_shard
from mtmd.report.tables.evaluation import Cell, Column, Table
from mtmd.run import RunPlan
from mtmd.train.level import move_level
from mtmd.train.stage import load_trained, train, window_data

RIVALS = MODELS[1:]

Scores = NDArray[np.float32]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; exit status 1 when the logs are wrong."""
    options = window_parser("levels", __doc__, (0,)).parse_args(arguments)

    def measured() -> Table:
        plan = window_plan(options)
        shards = extracted(plan, plan.all_days)
        return levels([compared(plan.changed(None, seed), shards) for seed in options.seeds])

    return print_measured(options, measured)


def compared(plan: RunPlan, shards: Sequence[ShardRef]) -> tuple[EvaluationReport, EvaluationReport]:
    """One seed's models on the held-out day: as they are, and at the level of the newest training day."""
    declarations, window = plan.preset.declarations, shards[:-1]
    held_out, requests = open_shard(Path(shards[-1].path)), plan.preset.training.batch_requests
    day, data = HeldOutDay.of(held_out, declarations), window_data(plan, window)
    plain: dict[str, Scores] = {}
    moved: dict[str, Scores] = {}
    for kind in MODELS:
        model = load_trained(plan, train(plan, kind, window))
        plain[kind] = score_day(model, held_out, declarations)
        move_level(model, lambda: data.newest(1, requests))
        moved[kind] = score_day(model, held_out, declarations)
    as_they_are, at_level = (
        evaluate_predictors(plan.as_of, declarations, day, scores, plan.preset.evaluation)
        for scores in (plain, moved)
    )
    return as_they_are, at_level


def levels(seeds: Sequence[tuple[EvaluationReport, EvaluationReport]]) -> Table:
    """LogMAE by slice before and after, and what MTMD gains over each rival; means over seeds, then over slices."""
    first, _ = seeds[0]
    rows = [(where.surface, where.product, where.task, *_row(seeds, [where])) for where in first.slices]
    rows += [(where.surface, where.product, where.task, *_row(seeds, [where])) for where in first.aggregates]
    for task in dict.fromkeys(where.task for where in first.slices):
        own = [where for where in first.slices if where.task == task]
        rows.append(("mean of", f"{len(own)} slices", task, *_row(seeds, own)))
    names = [*MODELS, *(f"vs {rival}" for rival in RIVALS)]
    columns = (
        *(Column(name=name, kind="text") for name in ("surface", "product", "task")),
        *(Column(name=name, kind="text") for name in names),
        *(Column(name=f"{name}, at level", kind="text") for name in names),
    )
    title = (
        f"LogMAE on {first.as_of}, as trained and at the level of the newest training day; {len(seeds)} seeds"
    )
    return Table(title=title, columns=columns, rows=tuple(rows))


def _row(
    seeds: Sequence[tuple[EvaluationReport, EvaluationReport]], places: Sequence[Slice]
) -> Iterator[Cell]:
    for reports in zip(*seeds, strict=True):
        errors = {
            name: [[report.get(name, where).logmae or float("nan") for where in places] for report in reports]
            for name in MODELS
        }
        yield from (f"{np.mean(errors[name]):.3f}" for name in MODELS)
        for rival in RIVALS:
            pairs = zip(errors["mtmd"], errors[rival], strict=True)
            gains = [1 - a / b for own, other in pairs for a, b in zip(own, other, strict=True)]
            yield f"{fmean(gains):+.1%}"


if __name__ == "__main__":
    raise SystemExit(main())
