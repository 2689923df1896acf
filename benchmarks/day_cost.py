"""What a day costs, stage by stage, in processor seconds: `python -m benchmarks.day_cost --as-of 2026-01-25`.

The first day starts from nothing: its whole window is read, MTMD is retrained in full, and so are the ablations that a
daily run trains (one seed). The next day has one new day of logs, and MTMD goes on from the first day's model; its
rivals are trained in full. Both days are the whole daily job, without Prefect. Logs must have the day after `--as-of`.
"""

import argparse
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from benchmarks.plain_job import Clock, plain_job
from benchmarks.runs import print_measured, window_parser
from mtmd.config import Preset, all_variants, load_preset, variants
from mtmd.errors import MtmdError
from mtmd.evaluate.ablation import ablate, to_train
from mtmd.promote.stage import DayRun
from mtmd.report.tables import Column, Table
from mtmd.run import RunPlan, plan_run
from mtmd.train.stage import train

_ABLATIONS = "ablations"
Costs = dict[str, float]  # processor seconds by stage


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; exit status 1 when the logs are wrong or the next day can't go on from the first."""
    parser = window_parser("day_cost", __doc__)
    parser.add_argument(
        "--variants", nargs="+", choices=list(all_variants()), help="default: those of a daily run"
    )
    options = parser.parse_args(arguments)

    def of_two_days() -> Table:
        with tempfile.TemporaryDirectory() as artifacts:
            plans = [_plan(options, artifacts, later) for later in (0, 1)]
            return measured(*plans, options.variants or _daily(plans[0].preset.candidate))

    return print_measured(options, of_two_days)


def measured(first: RunPlan, second: RunPlan, names: Sequence[str]) -> Table:
    """Run the first day with these ablations, then the day after."""
    cold, warm = Costs(), Costs()
    run, _ = plain_job(first, _clock(cold))
    changing = _ablations(run, names, cold)
    run, _ = plain_job(second, _clock(warm))
    if run.candidate.start is None:
        raise MtmdError(f"{second.as_of} was retrained in full: {run.chosen.words if run.chosen else ''}")
    columns = (
        Column(name="stage", kind="text"),
        Column(name="from nothing, full retrain"),
        Column(name="next day, warm start"),
    )
    without = sum(cold.values()) - cold[_ABLATIONS]
    rows = (
        *((name, _seconds(cold[name]), _seconds(warm[name])) for name in warm),
        ("**the day, without ablations**", _seconds(without), _seconds(sum(warm.values()))),
        (f"ablations ({len(changing)})", _seconds(cold[_ABLATIONS]), None),
        ("**the day, with ablations**", _seconds(sum(cold.values())), None),
    )
    title = f"Processor seconds of a day, {first.preset.name}, {len(first.days)} days before {first.as_of}"
    return Table(title=title, columns=columns, rows=rows)


def _daily(of: str) -> list[str]:
    return [variant.name for variant in variants(of).values() if variant.daily]


def _ablations(run: DayRun, names: Sequence[str], costs: Costs) -> list[str]:
    """Train and compare variants; returns the names of those that change something."""
    plan = run.plan
    changing, missing = to_train(plan, names)
    with _clock(costs)(_ABLATIONS):
        trained = [train(plan, run.candidate.kind, run.days.window, variant=name) for name in changing]
        ablate(plan, [run.candidate, *trained], run.days.held_out, missing)
    return changing


def _clock(costs: Costs) -> Clock:
    @contextmanager
    def stage(name: str) -> Iterator[None]:
        before = processor_seconds()
        yield
        costs[name] = processor_seconds() - before

    return stage


def processor_seconds() -> float:
    """Seconds of this process and of the processes that it waited for, such as a proof's."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _seconds(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def _plan(options: argparse.Namespace, artifacts: str, later: int) -> RunPlan:
    """The daily job's plan some days later, of trainings that go on from the champion's."""
    preset = load_preset(options.preset)
    plan = plan_run(
        options.as_of + timedelta(days=later),
        options.preset,
        window_days=options.window_days or preset.window_days,
        logs=str(Path(options.logs or preset.logs).resolve()),
        artifacts=artifacts,
    )
    values = plan.preset.model_dump()
    values["extras"]["warmstart"]["on"] = True
    return plan.model_copy(update={"preset": Preset.model_validate(values)})


if __name__ == "__main__":
    raise SystemExit(main())
