"""How much of each model's error is level: `python -m benchmarks.levels --preset kuairand --as-of 2022-04-30`.

The teacher's level moves from day to day, and a window's average is behind it. Each model is held against the held-out
day as it is, and again with the level of every domain and task moved to that of the window's newest day, which a
daily job knows. What that gains is what drift costs; what remains are errors about which candidate is better.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.runs import as_trained, extracted, plan_of, window_parser
from benchmarks.seeds import MODELS
from mtmd.config import Slice, load_preset
from mtmd.data import ShardRef, open_shard
from mtmd.errors import MtmdError
from mtmd.evaluation import Column, EvaluationReport, HeldOutDay, Table, evaluate_predictors, score_day
from mtmd.evaluation.tables import Cell
from mtmd.stages import RunPlan, train
from mtmd.stages.training import load_trained
from mtmd.storage import write_text

# Rows for no move at all: of a domain with few rows on the newest day the level is hardly known.
PRIOR_ROWS = 50
RIVALS = MODELS[1:]

Scores = NDArray[np.float32]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; exit status 1 when the logs are wrong."""
    options = window_parser("levels", __doc__).parse_args(arguments)
    torch.set_num_threads(options.threads)
    console = Console(soft_wrap=True, highlight=False)
    try:
        plan = plan_of(
            as_trained(load_preset(options.preset)), options.as_of, window_days=options.window_days, logs=options.logs,
            artifacts=options.artifacts,
        )  # fmt: skip
        shards = extracted(plan, plan.all_days)
        table = levels([compared(plan.changed(None, seed), shards) for seed in options.seeds])
    except MtmdError as error:
        console.print(f"error: {error}", markup=False)
        return 1
    console.print(table.markdown(), markup=False)
    if options.output is not None:
        write_text(options.output, table.markdown())
    return 0


def compared(plan: RunPlan, shards: Sequence[ShardRef]) -> tuple[EvaluationReport, EvaluationReport]:
    """One seed's models on the held-out day: as they are, and at the level of the newest training day."""
    declarations, window = plan.preset.declarations, shards[:-1]
    newest, held_out = (open_shard(Path(ref.path)) for ref in shards[-2:])
    known, day = HeldOutDay.of(newest, declarations), HeldOutDay.of(held_out, declarations)
    plain: dict[str, Scores] = {}
    moved: dict[str, Scores] = {}
    for kind in MODELS:
        model = load_trained(plan, train(plan, kind, window))
        plain[kind] = score_day(model, held_out, declarations)
        offsets = level_offsets(score_day(model, newest, declarations), known)
        moved[kind] = plain[kind] + offsets[day.domain]
    as_they_are, at_level = (
        evaluate_predictors(plan.as_of, declarations, day, scores, plan.preset.evaluation)
        for scores in (plain, moved)
    )
    return as_they_are, at_level


def level_offsets(scores: Scores, day: HeldOutDay) -> Scores:
    """(domains, T): what the log-scores of each domain lack on a day, on average, drawn to 0 by PRIOR_ROWS rows."""
    error = np.log(day.teacher) - scores
    known = np.isfinite(error)
    domains = int(day.domain.max()) + 1
    sums = np.zeros((domains, scores.shape[1]))
    counts = np.zeros_like(sums)
    np.add.at(sums, day.domain, np.where(known, error, 0.0))
    np.add.at(counts, day.domain, known)
    return (sums / (counts + PRIOR_ROWS)).astype(np.float32)


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
