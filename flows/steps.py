"""The tasks of the flows: each calls one stage and says in the log what came of it."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

from prefect import Task, get_run_logger, runtime, task
from prefect.futures import PrefectFuture, as_completed, wait
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from prefect.utilities.annotations import opaque
from prefect.utilities.urls import url_for

from mtmd.command_line import stages as shown
from mtmd.config import Preset, load_preset
from mtmd.evaluate import ablation as ablation_stage
from mtmd.evaluate import stage as evaluate_stage
from mtmd.export import stage as export_stage
from mtmd.extract import stage as extract_stage
from mtmd.extract.shards import Days, ShardRef
from mtmd.flows import parameters
from mtmd.flows.prefect_artifacts import publish_of_day
from mtmd.jobs import backfill as backfill_job
from mtmd.promote import stage as promote_stage
from mtmd.publish import stage as publish_stage
from mtmd.registry.registry import Registry
from mtmd.report import index as index_stage
from mtmd.report import stage as report_stage
from mtmd.report import stages, view
from mtmd.run import RunPlan, plan_run
from mtmd.store.files import sweep
from mtmd.train import processes, rivals
from mtmd.train import stage as train_stage
from mtmd.train.results import ChosenStart, Progress, Start
from mtmd.train.stage import Trained
from mtmd.validate import runner
from mtmd.validate import stage as validate_stage
from mtmd.validate.stage import DataQuality

_LINE_S = 60.0
_DAYS = 4  # extracted side by side; each holds its matrices
_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


def task_of(
    call: Callable[_Given, _Result],
    words: Callable[[_Result], str] = lambda _: "",
    *,
    stage: str = "",
    **options: Any,
) -> Task[_Given, _Result]:
    """The task that calls one function of a stage, and says in the log, in these words, what came of it.

    With a `stage` it is one of those that the command shows.
    """

    @wraps(call)
    def run(*given: _Given.args, **named: _Given.kwargs) -> _Result:
        if stage:
            shown.begin(stage)
        result = call(*given, **named)
        if told := words(result):
            get_run_logger().info("%s", told)
        return result

    return _Station(run, persist_result=False, **options)


class _Station(Task[_Given, _Result]):
    """A task that is given values alone. Prefect would look through each, twice, for states of other tasks."""

    def __call__(self, *given: Any, **named: Any) -> Any:
        """Run the task."""
        call: Callable[..., Any] = super().__call__
        return call(*map(opaque, given), **{name: opaque(value) for name, value in named.items()})


validate = task_of(
    partial(validate_stage.validate, on_day=shown.days),
    lambda quality: (
        f"data quality: {'ok' if quality.passed else 'FAILED'}; {len(quality.reused)} of "
        f"{len(quality.days)} days were validated before"
    ),
    name="validate",
)
require = task_of(runner.require)
extract = task_of(
    extract_stage.extract,
    lambda ref: f"{ref.day}: {ref.candidates} candidates, {'reused' if ref.reused else 'extracted'}",
    task_run_name="extract {day}",
)
evaluate = task_of(
    evaluate_stage.evaluate,
    lambda made: f"evaluation: {'reused, ' if made.reused else ''}{made.path}",
    stage="evaluating",
)
export = task_of(
    export_stage.export,
    lambda made: f"model {made.model_id}: {'reused' if made.reused else 'exported'}",
    stage="exporting",
)
trace = task_of(export_stage.trace)
prove = task_of(
    export_stage.prove,
    lambda proofs: (
        f"{'proved before; ' * proofs.reused}parity: {proofs.parity.detail}; "
        f"fresh process: {proofs.fresh_process.detail}"
    ),
    stage="proving the exported files",
)
decide = task_of(
    promote_stage.decide,
    lambda summary: f"{summary.model_id}: {summary.words}",
    stage="deciding and reporting",
)
publish_ads = task_of(publish_stage.publish, lambda done: done.words, name="publish_ads")
report = task_of(report_stage.write_report, lambda page: f"report: {page}", name="report")
ablate = task_of(ablation_stage.ablate, stage="evaluating the ablations")
update_index = task_of(index_stage.update_index, name="index")
record_decision = task_of(index_stage.record_decision, name="index")
record_failure = task_of(
    index_stage.record_failure, lambda page: f"report: {page}" if page else "", name="index"
)
plan_backfill = task_of(
    backfill_job.plan_backfill,
    lambda days: f"{sum(day.state == 'to run' for day in days)} of {len(days)} days run",
)


@task(persist_result=False)
def plan(as_of: date, preset: str, window_days: int | None, logs: str | None, artifacts: str) -> RunPlan:
    """Resolve the parameters, and clear away what killed runs left half-written."""
    parameters.chosen_runner()
    train_stage.require_machine(load_preset(preset))
    planned = plan_run(as_of, preset, window_days=window_days, logs=logs, artifacts=artifacts)
    removed = sweep(planned.workspace.root)
    Registry(planned.workspace.root).refresh()
    planned = promote_stage.with_candidate(planned)
    words = f"as_of {as_of}: window {planned.days[0]} to {planned.days[-1]} ({len(planned.days)} days)"
    words += f"; removed {len(removed)} half-written outputs of killed runs" if removed else ""
    words += f"; candidate: {planned.race.words}" if planned.race else ""
    get_run_logger().info("%s", words)
    if parent := runtime.flow_run.parent_flow_run_id:
        said = "this run is part of the flow run %s: to stop it, cancel that one; to cancel this one stops nothing"
        get_run_logger().info(said, url_for("flow-run", obj_id=parent) or parent)
    return planned


def validated_days(planned: RunPlan) -> tuple[DataQuality, Days]:
    """Validate the plan's days, show what the suites said, and extract them; runs inside a flow."""
    shown.begin("validating the logs")
    quality = validate(planned)
    publish_of_day("data-quality", planned, view.of_stage(planned, stages.data(quality)))
    require(*quality.validations)
    shown.begin("extracting features")
    with parameters.runner(_DAYS) as runner:
        days = zip(planned.all_days, quality.sources, strict=True)
        running = [
            runner.submit(extract, {"plan": planned, "day": day, "validated": seen}) for day, seen in days
        ]
        shards: list[ShardRef] = []
        for future in running:
            shards.append(future.result())
            shown.days(len(shards), len(running))
    return quality, Days.of(shards)


@task(persist_result=False)
def choose_start(planned: RunPlan, window: Sequence[ShardRef]) -> ChosenStart:
    """What the day's training goes on from, by the registry."""
    chosen = train_stage.choose_start(planned, {ref.day: ref.fingerprint for ref in window})
    if chosen.words:
        get_run_logger().info("%s %s", planned.candidate, chosen.words)
    return chosen


@task(persist_result=False, task_run_name="train {kind}")
def train(
    planned: RunPlan,
    kind: str,
    window: Sequence[ShardRef],
    seed: int | None = None,
    start: Start | None = None,
    variant: str | None = None,
    called: str | None = None,
    stored: Trained | None = None,
) -> Trained:
    """Train one kind of model, or a variant of it with one factor changed, on the window, anew or from a start.

    `called` is its name for who waits. Where an earlier run's is `stored` that stands in for it, that one is taken.
    """
    with shown.stage(f"training {called or variant or kind}{'' if seed is None else f', seed {seed}'}"):
        if stored is not None:
            end = stored.last or planned.days[-1]
            get_run_logger().info("%s: not due, taken as it is; its window ends %s", stored.name, end)
            return stored
        told = _told(variant or kind)
        trained = train_stage.train(planned, kind, window, told, variant=variant, seed=seed, start=start)
    get_run_logger().info(
        "%s: %s, best epoch %d of %d, %.0f rows/s",
        trained.name,
        "reused" if trained.reused else "trained",
        trained.fit.best_epoch,
        len(trained.fit.epochs),
        trained.fit.rows_per_s,
    )
    return trained


def train_all(
    planned: RunPlan, kinds: Sequence[str], window: Sequence[ShardRef], start: Start | None = None
) -> tuple[Trained, ...]:
    """Train a day's models, the candidate first, side by side where this machine can; runs inside a flow.

    `start` is the candidate's: rivals are trained anew, so that the comparison with them gets no easier. The first
    training that fails ends the others, which the next run goes on with.
    """
    shards = {ref.day: ref.fingerprint for ref in window}
    stored = {kind: rivals.earlier(planned, kind, shards) for kind in kinds}
    missing = sum(found is None for found in stored.values())
    given: list[dict[str, Any]] = [
        {"planned": opaque(planned), "kind": kind, "window": opaque(window), "stored": found}
        for kind, found in stored.items()
    ]
    given[0]["start"] = start
    at_once, threads = processes.shared(missing, planned.preset)
    if at_once == 1:
        with processes.sharing(at_once, threads):
            return tuple(train(**one) for one in given)
    here: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner(at_once)
    with here as runner, processes.sharing(at_once, threads):
        running: list[PrefectFuture[Trained]] = [runner.submit(train, one) for one in given]
        traced = runner.submit(trace, {"plan": planned})  # its turn comes when a training leaves a core free
        for done in as_completed([*running, traced]):
            done.result()
        return tuple(future.result() for future in running)


def all_of(
    runner: TaskRunner[Any], task: Task[..., _Result], given: Mapping[str, dict[str, Any]]
) -> tuple[list[_Result], list[str]]:
    """What a task makes of each set of parameters, by the run's name; and why others failed, when all ended."""
    runs = {name: runner.submit(task.with_options(task_run_name=name), one) for name, one in given.items()}
    wait(list(runs.values()))
    failed = [f"{name}: {run.state.message}" for name, run in runs.items() if not run.state.is_completed()]
    return [run.result() for run in runs.values() if run.state.is_completed()], failed


@contextmanager
def side_by_side(trainings: int, *presets: Preset) -> Iterator[TaskRunner[Any]]:
    """The chosen runner for so many trainings of these presets; on this machine they share the cores."""
    at_once, threads = processes.shared(trainings, *presets)
    with parameters.runner(at_once) as runner, processes.sharing(at_once, threads):
        yield runner


def _told(name: str) -> Callable[[Progress], None]:
    """What a training tells of itself: in the log a line an epoch, and one a minute, as no news looks like a hang."""
    logger, told_s = get_run_logger(), time.monotonic()

    def tell(progress: Progress) -> None:
        nonlocal told_s
        shown.at(f"epoch {progress.epoch} of {progress.epochs}", progress.step, progress.steps)
        line = f"{name} epoch {progress.epoch}/{progress.epochs}: "
        if progress.validation_loss is not None:
            line += f"train {progress.train_loss:.5f}, validation {progress.validation_loss:.5f}, "
        elif time.monotonic() - told_s >= _LINE_S:
            line += f"{100 * progress.step / max(progress.steps, 1):.0f} % of the training, "
        else:
            return
        told_s = time.monotonic()
        logger.info("%s%.0f rows/s", line, progress.rows_per_s)

    return tell
