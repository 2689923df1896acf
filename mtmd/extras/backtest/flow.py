"""Which of several settings is better over days, each held out in turn: the honest way to change a preset."""

import sys
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any, TypeVar

from prefect import Task, flow
from prefect.task_runners import TaskRunner
from pydantic import Field

from mtmd import command_line
from mtmd.command_line import console, literal, stages
from mtmd.errors import EvaluationError, MtmdError, TrainingError
from mtmd.extract.shards import Days
from mtmd.extras.backtest import contestants, measures, report
from mtmd.extras.backtest.contestants import Contestant, OnDay, plan_backtest
from mtmd.extras.backtest.measures import DayFigures
from mtmd.extras.backtest.report import Backtest
from mtmd.flows import parameters, steps
from mtmd.flows.ablation import Seeds
from mtmd.flows.command import command_of
from mtmd.flows.parameters import Artifacts, Logs, PresetName, WindowDays, a_day, described
from mtmd.flows.prefect_artifacts import publish
from mtmd.inspect import print_document
from mtmd.train.stage import Trained

_Made = TypeVar("_Made")
Models = list[tuple[Trained, ...]]  # of each contestant, by seed

plan = steps.task_of(contestants.plan_backtest)
measure = steps.task_of(
    measures.measure_day,
    lambda done: f"{done.day}: {done.rows} rows, {done.path}",
    stage="scoring a held-out day",
)
conclude = steps.task_of(report.conclude, lambda found: f"{found.words}; {found.path}")


@flow(name="backtest", flow_run_name="backtest {preset}", persist_result=False)
@described
def backtest(
    days: Annotated[int, Field(ge=1, le=60, description="Newest days to hold out; 7 when omitted")]
    | None = None,
    first: Annotated[date, a_day("Oldest held-out day, in place of days")] | None = None,
    last: Annotated[date, a_day("Newest held-out day; the newest of the logs when omitted")] | None = None,
    preset: PresetName = "demo",
    against: Annotated[list[PresetName], Field(description="Another preset; repeatable")] | None = None,
    with_: Annotated[
        list[str], Field(description="A changed preset, such as small:model.cross_layers=0; repeatable")
    ]
    | None = None,
    rivals: Annotated[list[str], Field(description="A rival of the preset, such as pooled; repeatable")]
    | None = None,
    seeds: Seeds | None = None,
    window_days: WindowDays | None = None,
    logs: Logs | None = None,
    artifacts: Artifacts = "artifacts",
) -> Backtest:
    """Train each contestant for each of the newest days, and compare all with the preset itself on the same rows.

    Started again after a crash it goes on. Whatever it finds, it promotes nothing.
    """
    entered = plan(
        preset,
        days=days,
        first=first,
        last=last,
        against=against,
        changes=with_,
        rivals=rivals,
        seeds=seeds,
        window_days=window_days,
        logs=logs,
        artifacts=artifacts,
    )
    plans = [{one.reading(n): one.plans[n] for one in entered} for n in range(len(entered[0].plans))]
    trainings = sum(len(one.seeds) for one in entered)
    stages.total = sum(2 * len(day) + trainings + 1 for day in plans)  # two validate and extract
    extracted = [{reading: steps.validated_days(own)[1] for reading, own in day.items()} for day in plans]
    trained = _trained(entered, extracted)
    found = conclude(entered, _measured(entered, extracted, trained))
    publish("backtest", found.words, report.document(found))
    steps.update_index(artifacts, preset)
    return found


def _trained(entered: Sequence[Contestant], extracted: Sequence[dict[str, Days]]) -> list[Models]:
    """The models of each day. All are trained before one that failed ends the run, so that the next has it alone."""
    given = {
        f"train {one.name} for {one.plans[place].as_of}, seed {seed}": {
            "planned": one.plans[place],
            "kind": one.kind,
            "window": days[one.reading(place)].window,
            "seed": seed,
            "called": f"{one.name} for {one.plans[place].as_of}",
        }
        for place, days in enumerate(extracted)
        for one in entered
        for seed in one.seeds
    }
    presets = (one.plans[0].preset for one in entered)
    with steps.side_by_side(len(given), *presets) as runner:
        made = iter(_each(runner, steps.train, given, TrainingError))
    return [[tuple(next(made) for _ in one.seeds) for one in entered] for _ in extracted]


def _measured(
    entered: Sequence[Contestant], extracted: Sequence[dict[str, Days]], trained: Sequence[Models]
) -> list[DayFigures]:
    given = {}
    for n, (days, models) in enumerate(zip(extracted, trained, strict=True)):
        contestants = [
            OnDay(name=one.name, plan=one.plans[n], held_out=days[one.reading(n)].held_out, trained=own)
            for one, own in zip(entered, models, strict=True)
        ]
        given[f"measure {contestants[0].plan.as_of}"] = {"contestants": contestants}
    with parameters.runner(1) as runner:  # each takes all of a machine
        return _each(runner, measure, given, EvaluationError)


def _each(
    runner: TaskRunner[Any],
    task: Task[..., _Made],
    given: Mapping[str, dict[str, Any]],
    error: type[MtmdError],
) -> list[_Made]:
    """What a task makes of each set of parameters, named; raises `error`, naming those that failed, when all ended."""
    made, failed = steps.all_of(runner, task, given)
    if failed:
        raise error(
            f"{len(failed)} of {len(given)} failed: {'; '.join(failed)}",
            "mend that, or leave the contestant out, then run again: the others are kept",
        )
    return made


def _show(found: Backtest, _: Mapping[str, Any]) -> None:
    """The page as text, and where it is."""
    print_document(report.document(found))
    console.print(literal(f"page: {found.path}/{report.PAGE}"))


def _refuse(given: Mapping[str, Any]) -> None:
    """Raises what the run itself would."""
    named = {"changes" if name == "with_" else name: value for name, value in given.items()}
    plan_backtest(**named)


command = command_of(backtest, _show, _refuse)

if __name__ == "__main__":
    sys.exit(command_line.run(command, "python -m mtmd.extras.backtest.flow"))
