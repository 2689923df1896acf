"""Models of several presets on the same pairs: the held-out day's chosen candidates, and all eligible pairs of it.

`python -m benchmarks.eligible demo explored --as-of 2026-01-25`. What a preset's logs have beside the chosen candidates
changes its own held-out day too, so its own tables don't say what those rows are worth. Here all models meet the
candidates that retrieval chose in the first preset's logs, and requests of the simulated A/B, which no log has, with
every ad that is eligible for them. Models are trained as in the daily job, or taken from the artifacts.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.runs import extracted, plan_of, told
from benchmarks.seeds import MODELS
from mtmd.abtest.rankers import ModelRanker
from mtmd.abtest.traffic import draw_traffic
from mtmd.config import load_preset
from mtmd.errors import ConfigError
from mtmd.evaluate.predictors import score_day
from mtmd.extract.shards import Shard, open_shard
from mtmd.model.build import ModelKind
from mtmd.model.ranker import RankingModel
from mtmd.report.tables.evaluation import Cell, Column, Table
from mtmd.run import RunPlan
from mtmd.sources.simulated.config import FunnelConfig
from mtmd.sources.simulated.platform import SimulatedPlatform, world_of
from mtmd.sources.simulated.teacher import TASKS
from mtmd.store.files import write_text
from mtmd.train.stage import load_trained, train

# What a platform's logs may differ in though its people and ads are the same.
_OF_LOGS = (
    "requests_per_day", "candidates_per_request", "explored_per_request", "rows_per_file", "further_tasks",
    "histories", "own_reactions",
)  # fmt: skip
Scores = NDArray[np.float32]
Models = Mapping[str, RankingModel]


@told
def main(arguments: Sequence[str] | None = None) -> int:
    """Print LogMAE and calibration of each model; exit status 1 when presets or logs are wrong."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    console = Console(soft_wrap=True, highlight=False)
    plans = [_plan(name, options) for name in options.presets]
    _require_own_names(plans)
    _require_one_platform(plans)
    models = {
        f"{kind}, {plan.preset.name}": load_trained(plan, train(plan, kind, extracted(plan, plan.days)))
        for kind in options.models
        for plan in plans
    }
    (held_out,) = extracted(plans[0], [options.as_of])
    chosen = _chosen(open_shard(Path(held_out.path)), plans[0], models)
    text = "\n".join(
        table.markdown()
        for table in (
            _table(f"Chosen candidates of {plans[0].preset.name} on {options.as_of}", *chosen),
            _table(f"Eligible pairs of {options.requests:,} requests", *_eligible(plans[0], models, options)),
        )
    )
    console.print(text, markup=False)
    if options.output is not None:
        write_text(options.output, text)
    return 0


def _plan(name: str, options: argparse.Namespace) -> RunPlan:
    plan = plan_of(
        load_preset(name), options.as_of, window_days=options.window_days, artifacts=options.artifacts
    )
    first = load_preset(options.presets[0])
    if plan.preset.declarations != first.declarations:
        raise ConfigError(
            f"preset {plan.preset.name!r} declares other features or tasks than {first.name!r}, so its models can't "
            "read the same pairs; compare presets with the same declarations"
        )
    return plan.changed(None, options.seed)


def _require_own_names(plans: Sequence[RunPlan]) -> None:
    """Raise ConfigError where two presets have one name: their models would share a column."""
    names = [plan.preset.name for plan in plans]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"presets {twice} are given more than once; give each file a name of its own")


def _require_one_platform(plans: Sequence[RunPlan]) -> None:
    """Raise ConfigError where other people or ads taught one preset's models than those that all of them meet."""
    first, *others = (world_of(plan.preset, plan.logs) for plan in plans)
    for plan, world in zip(plans[1:], others, strict=True):
        if world.model_copy(update={name: getattr(first, name) for name in _OF_LOGS}) != first:
            raise ConfigError(
                f"the logs {plan.logs} are of another simulated platform than {plans[0].logs}: its seed or its sizes "
                "differ; simulate both with the same --seed, --users and --ads"
            )


def _chosen(shard: Shard, plan: RunPlan, models: Models) -> tuple[Scores, dict[str, Scores]]:
    """(P, T) the teacher's scores of the day's chosen candidates, and each model's log-probabilities; T as `TASKS`."""
    declarations, rows = plan.preset.declarations, shard.explored.numpy() == 0
    tasks = [declarations.domains.task_names.index(task) for task in TASKS]
    found = {name: score_day(model, shard, declarations)[rows][:, tasks] for name, model in models.items()}
    return shard.teacher.numpy()[rows][:, tasks], found


def _eligible(plan: RunPlan, models: Models, options: argparse.Namespace) -> tuple[Scores, dict[str, Scores]]:
    """The same of every ad that is eligible for the requests of a sample of the day."""
    platform = SimulatedPlatform(world_of(plan.preset, plan.logs))
    traffic = draw_traffic(platform, options.as_of, FunnelConfig(requests=options.requests))
    found = {
        name: np.log(ModelRanker(model, plan.preset.declarations)(traffic)) for name, model in models.items()
    }
    return traffic.teacher, found


def _table(title: str, teacher: Scores, log_p: Mapping[str, Scores]) -> Table:
    columns = (
        *(Column(name=name, kind="text") for name in ("task", "what")),
        Column(name="rows", kind="count"),
        *(Column(name=name) for name in log_p),
    )
    return Table(title=title, columns=columns, rows=tuple(_rows(teacher, log_p)))


def _rows(teacher: Scores, log_p: Mapping[str, Scores]) -> Iterator[tuple[Cell, ...]]:
    for place, task in enumerate(TASKS):
        known = ~np.isnan(teacher[:, place])
        wanted = teacher[known, place].astype(np.float64)
        own = {name: scores[known, place].astype(np.float64) for name, scores in log_p.items()}
        errors = (float(np.abs(scores - np.log(wanted)).mean()) for scores in own.values())
        levels = (float(np.exp(scores).mean() / wanted.mean()) for scores in own.values())
        yield task, "LogMAE", int(known.sum()), *errors
        yield task, "mean prediction / mean teacher score", int(known.sum()), *levels


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.eligible", description=__doc__)
    parser.add_argument("presets", nargs="+", help="names, or paths to .toml files; of simulated logs")
    parser.add_argument("--as-of", type=date.fromisoformat, required=True, help="the held-out day")
    parser.add_argument("--window-days", type=int, help="training days before it; the presets' when left out")
    parser.add_argument("--models", choices=MODELS, nargs="+", default=list[ModelKind](MODELS))
    parser.add_argument("--requests", type=int, default=2_000, help="whose eligible pairs are scored")
    parser.add_argument("--seed", type=int, default=0, help="of the trainings")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--artifacts", default="artifacts")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the tables as Markdown")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
