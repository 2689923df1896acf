"""Full retrains against trainings that go on from the day before: `python -m benchmarks.warm_start --as-of 2026-01-25`.

The first day is retrained in full. From then on each day goes on from the day before, without a full retrain in
between: the hardest case of `[training.warm]`. Each day's LogMAE is that of all rows of its held-out day, against a
full retrain of the same day and against the first day's model as it is. To choose settings, `--judge validation` takes
the validation requests of the window's newest days instead.

Processor seconds are those of `train`: batches, statistics, training, validation and files. They are kept beside the
artifacts, so that a benchmark that was stopped goes on; a training that was stopped in its midst has none.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from statistics import fmean

import torch
from pydantic import Field
from rich.console import Console

from benchmarks.runs import daily_plan, extracted, timed_training, told, window_parser
from mtmd.config import Frozen, WarmConfig
from mtmd.extract.shards import ShardRef, open_shard
from mtmd.extract.window import day_batches
from mtmd.model.batch import Batch
from mtmd.report.tables.evaluation import Cell, Column, Table
from mtmd.run import RunPlan, training_days
from mtmd.store.files import write_json, write_text
from mtmd.store.outputs import read_record
from mtmd.train.stage import Trained, load_trained, window_data
from mtmd.train.warm import WarmStart

JUDGED_DAYS = 4  # whose validation requests settings are chosen by
_BATCH = 1024


class Costs(Frozen):
    """Processor seconds by the key of a training."""

    seconds: dict[str, float] = Field({}, description="of `train`")


class Day(Frozen):
    """One day: LogMAE by task and processor seconds; None where no full retrain was asked for."""

    as_of: date
    full: tuple[float, ...] | None
    warm: tuple[float, ...]
    unchanged: tuple[float, ...] = Field(description="of the first day's model")
    full_s: float | None
    warm_s: float | None = Field(description="None where an earlier version trained it, or two processes")


@told
def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; exit status 1 when the logs are wrong."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    console = Console(soft_wrap=True, highlight=False)
    text = run(_plan(options), options, console).markdown()
    console.print(text, markup=False)
    if options.output is not None:
        write_text(options.output, text)
    return 0


def run(plan: RunPlan, options: argparse.Namespace, console: Console) -> Table:
    """Train day by day; `plan` is that of the first one."""
    window = extracted(plan, plan.days)
    first = latest = _trained(plan, window, None)
    days = []
    for number in range(1, options.days + 1):
        own = _moved(plan, number)
        window = extracted(own, own.days)
        latest = _trained(own, window, _start(own, plan.as_of, latest, options))
        compared = options.full_on is None or number in options.full_on
        full = _trained(own, window, None) if compared else None
        judged = {name: _logmae(own, one, window, options.judge) for name, one in
                  {"warm": latest, "unchanged": first, **({} if full is None else {"full": full})}.items()}  # fmt: skip
        days.append(
            Day(
                as_of=own.as_of,
                full=judged.get("full"),
                warm=judged["warm"],
                unchanged=judged["unchanged"],
                full_s=None if full is None else _costs(own).seconds.get(full.key),
                warm_s=_costs(own).seconds.get(latest.key),
            )
        )
        console.print(days[-1].model_dump_json(), markup=False)
    return _table(days, plan, options)


def _plan(options: argparse.Namespace) -> RunPlan:
    """With settings from the command line, of trainings that others may go on from."""
    plan = daily_plan(options)
    given = {"days": options.warm_days, "epochs": options.warm_epochs, "rate": options.warm_rate}
    changes = {key: value for key, value in given.items() if value is not None}
    training = plan.preset.training
    warm = WarmConfig.model_validate(training.warm.model_dump() | changes)
    training = training.model_copy(update={"start": "champion", "warm": warm})
    return plan.model_copy(update={"preset": plan.preset.model_copy(update={"training": training})})


def _moved(plan: RunPlan, number: int) -> RunPlan:
    """The plan of a later day."""
    as_of, length = plan.as_of + timedelta(days=number), (plan.as_of - plan.days[0]).days
    return plan.model_copy(update={"as_of": as_of, "days": training_days(plan.preset, as_of, length)})


def _start(plan: RunPlan, full_as_of: date, latest: Trained, options: argparse.Namespace) -> WarmStart:
    warm = plan.preset.training.warm
    return WarmStart(
        model_id="benchmark",
        as_of=plan.as_of - timedelta(days=1),
        training=latest.key,
        full_model_id="benchmark",
        full_as_of=full_as_of,
        days=warm.days,
        epochs=warm.epochs,
        rate=warm.rate,
    )


def _trained(plan: RunPlan, window: Sequence[ShardRef], start: WarmStart | None) -> Trained:
    """Train, or take what is there; the processor seconds of a training are written down."""
    trained, seconds = timed_training(plan, "mtmd", window, start)
    if seconds is not None:
        costs = Costs(seconds=_costs(plan).seconds | {trained.key: seconds})
        write_json(_costs_file(plan), costs.model_dump(mode="json"))
    return trained


def _costs(plan: RunPlan) -> Costs:
    return read_record(_costs_file(plan), Costs) or Costs()


def _costs_file(plan: RunPlan) -> Path:
    return plan.workspace.root / "warm_start_seconds.json"


def _logmae(plan: RunPlan, trained: Trained, window: Sequence[ShardRef], judge: str) -> tuple[float, ...]:
    """Mean |ln p̂ − ln teacher| of each task."""
    declarations = plan.preset.declarations
    batches: Iterable[Batch]
    if judge == "validation":
        batches = window_data(plan, window[-JUDGED_DAYS:]).validation(_BATCH)
    else:
        (held_out,) = extracted(plan, [plan.as_of])
        batches = day_batches(open_shard(Path(held_out.path)), declarations, _BATCH)
    model = load_trained(plan, trained)
    total, count = torch.zeros(2, len(declarations.domains.tasks), dtype=torch.float64)
    with torch.inference_mode():
        for batch in batches:
            error = (model(batch) - batch.teacher.log()).abs().double()
            total += error.nan_to_num(nan=0.0).sum(dim=0)
            count += (~batch.teacher.isnan()).sum(dim=0)
    return tuple((total / count).tolist())


def _table(days: Sequence[Day], plan: RunPlan, options: argparse.Namespace) -> Table:
    tasks, warm = plan.preset.domains.task_names, plan.preset.training.warm
    columns = (
        Column(name="day", kind="text"),
        *(Column(name=f"LogMAE, {name}") for name in ("full", "warm", "unchanged")),
        *(Column(name=f"{task}: warm to full", kind="text") for task in tasks),
        *(Column(name=f"{name}, processor s") for name in ("full", "warm")),
        Column(name="share", kind="text"),
    )
    on = "held-out days" if options.judge == "held-out" else f"validation requests of {JUDGED_DAYS} days"
    title = (
        f"{plan.preset.name}, {len(days)} days after {plan.as_of}, on {on}; warm: {warm.days} days, "
        f"{warm.epochs} passes, rate {warm.rate:g}"
    )
    return Table(title=title, columns=columns, rows=tuple(tuple(row) for row in _rows(days)))


def _rows(days: Sequence[Day]) -> Iterator[Iterator[Cell]]:
    yield from (_row(str(day.as_of), [day]) for day in days)
    if compared := [day for day in days if day.full is not None]:
        yield _row(f"mean of {len(compared)}", compared)


def _row(name: str, days: Sequence[Day]) -> Iterator[Cell]:
    """Means over tasks, then each task's gap; over several days their means."""
    full = [day.full for day in days if day.full is not None]
    yield name
    yield fmean(map(fmean, full)) if full else None
    yield fmean(fmean(day.warm) for day in days)
    yield fmean(fmean(day.unchanged) for day in days)
    for task in range(len(days[0].warm)):
        gaps = [day.warm[task] / day.full[task] - 1.0 for day in days if day.full is not None]
        yield f"{fmean(gaps):+.2%}" if gaps else "–"
    full_s = [day.full_s for day in days if day.full_s is not None]
    warm_s = [day.warm_s for day in days if day.warm_s is not None]
    yield fmean(full_s) if full_s else None
    yield fmean(warm_s) if warm_s else None
    yield f"{fmean(warm_s) / fmean(full_s):.3f}" if full_s and warm_s else "–"


def _parser() -> argparse.ArgumentParser:
    parser = window_parser("warm_start", __doc__)
    parser.add_argument("--days", type=int, default=10, help="days after --as-of, the first held-out day")
    parser.add_argument(
        "--full-on", type=int, nargs="+", help="days, from 1, that are retrained in full too; all by default"
    )
    parser.add_argument("--judge", choices=["held-out", "validation"], default="held-out")
    parser.add_argument("--warm-days", type=int, help="the preset's when left out")
    parser.add_argument("--warm-epochs", type=int, help="likewise")
    parser.add_argument("--warm-rate", type=float, help="likewise")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
