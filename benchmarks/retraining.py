"""How often the champion gate stops a model that is as good: `python -m benchmarks.retraining --as-of 2026-01-25`.

The recipe is trained on one window with several seeds, and each model is held against each other one as if that were
the champion. None of them is better than another but by the luck of its seed, which an interval over requests does not
know of. What is blocked here is what `gates.champion_tolerance` is there for. Every pair counts in both directions, so
pairs are fewer trainings than they look.
"""

from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

import torch
from rich.console import Console

from benchmarks.runs import daily_plan, extracted, told, window_parser
from mtmd.errors import ConfigError
from mtmd.evaluate.evaluation import evaluate_predictors
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.metrics import LOGMAE
from mtmd.evaluate.predictors import score_day
from mtmd.evaluate.report import EvaluationReport
from mtmd.extract.shards import open_shard
from mtmd.promote.slice_gates import against
from mtmd.report.tables import Cell, Column, Table
from mtmd.run import RunPlan
from mtmd.store.files import write_text
from mtmd.train.stage import load_trained, train

TOLERANCES = (0.0, 0.01, 0.02, 0.03, 0.05)
CANDIDATE, CHAMPION = "candidate", "champion"


@told
def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; exit status 1 when the logs are wrong."""
    options = window_parser("retraining", __doc__, (0, 1, 2)).parse_args(arguments)
    torch.set_num_threads(options.threads)
    console = Console(soft_wrap=True, highlight=False)
    if len(options.seeds) < 2:
        raise ConfigError(f"seeds {options.seeds} must be two or more, to hold against each other")
    plan = daily_plan(options)
    reports = _reports(plan, options.seeds)
    text = gate_table(reports, plan).markdown()
    console.print(text, markup=False)
    if options.output is not None:
        write_text(options.output, text)
    return 0


def gate_table(reports: Sequence[EvaluationReport], plan: RunPlan) -> Table:
    """By tolerance: pairs of trainings that the gate blocks, and what it calls worse in them."""
    rows: list[tuple[Cell, ...]] = []
    for tolerance in TOLERANCES:
        gates = [against("champion", CHAMPION, tolerance, report, plan.preset.gates) for report in reports]
        worse = [found for gate in gates for found in gate.slices if found.decision == "worse"]
        judged = [found for gate in gates for found in gate.slices if found.decision != "not enough data"]
        blocked = sum(not gate.passed for gate in gates)
        rows.append((f"{tolerance:.0%}", len(gates), blocked, len(judged), len(worse)))
    columns = (
        Column(name="champion_tolerance", kind="text"),
        *(
            Column(name=name, kind="count")
            for name in ("pairs", "blocked", "slices and tasks", "called worse")
        ),
    )
    gaps = [
        pair.improvement
        for report in reports
        for pair in report.comparisons
        if pair.bucket is None and pair.metric == LOGMAE.name
    ]
    largest = max((abs(gap) for gap in gaps if gap is not None), default=0.0)
    title = (
        f"Models of one window and recipe against each other: seeds differ by up to {largest:.1%} in a slice"
    )
    return Table(title=title, columns=columns, rows=tuple(rows))


def _reports(plan: RunPlan, seeds: Sequence[int]) -> list[EvaluationReport]:
    """Every ordered pair of seeds: the first as the candidate, the second as the champion."""
    shards = extracted(plan, plan.all_days)
    shard, declarations = open_shard(Path(shards[-1].path)), plan.preset.declarations
    day = HeldOutDay.of(shard, declarations)
    scores = {}
    for seed in seeds:
        own = plan.changed(None, seed)
        scores[seed] = score_day(
            load_trained(own, train(own, own.preset.candidate, shards[:-1])), shard, declarations
        )
    return [
        evaluate_predictors(
            plan.as_of,
            declarations,
            day,
            {CANDIDATE: scores[one], CHAMPION: scores[other]},
            plan.preset.evaluation,
        )
        for one, other in permutations(seeds, 2)
    ]


if __name__ == "__main__":
    raise SystemExit(main())
