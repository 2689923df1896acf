"""Flows around the daily run: a night's simulated logs, the monitor, a rollback, and the clean-up."""

from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from mtmd.config import load_preset
from mtmd.flows import parameters, steps
from mtmd.flows.parameters import Artifacts, AsOf, Logs, PresetName, described, scheduled_day
from mtmd.flows.prefect_artifacts import publish, tell
from mtmd.jobs import clean_up as clean_up_job
from mtmd.jobs.clean_up import CleanUp
from mtmd.logs.source import LogSource
from mtmd.monitor import stage as monitor_stage
from mtmd.monitor.health import MonitorReport
from mtmd.promote import rollback as rollback_stage
from mtmd.promote.rollback import Republished, RolledBack
from mtmd.registry.incumbent import answering
from mtmd.report import jobs
from mtmd.sources.simulated.platform import Simulated, simulate_days
from mtmd.store.workspace import Workspace

# States that end a run: the automation crash-zombies waits for these.
BREACH, UNPUBLISHED = "Breach", "Unpublished"

Days = Annotated[
    int,
    Field(
        ge=1,
        le=400,
        description="Days up to as_of, those that are there are skipped; one window when omitted",
    ),
]
Seed = Annotated[
    int, Field(ge=0, description="Which of all possible platforms; the one whose logs are there when omitted")
]
Served = Annotated[
    str, Field(description="Artifacts whose champion the rows name as the model that answered")
]
Reason = Annotated[str, Field(min_length=3, max_length=1000, description="Why; written into the history")]
Model = Annotated[
    str, Field(description="The model to take down; refused when another one is live. Any when omitted")
]
KeepAds = Annotated[
    bool,
    Field(description="Whether the model keeps the ads that it has: for when the newest day's are wrong"),
]
DryRun = Annotated[bool, Field(description="Only publish what would be removed")]


@flow(name="simulate-day", flow_run_name=parameters.of_day, persist_result=False)
@described
def simulate_day(
    as_of: AsOf | None = None,
    days: Days | None = None,
    preset: PresetName = "demo",
    logs: Logs | None = None,
    seed: Seed | None = None,
    artifacts: Served | None = None,
) -> Simulated:
    """Write the logs of a day, and of the window before it where they are missing."""
    day, model_of = as_of or scheduled_day(), answering(artifacts, preset)
    return write(day, preset, days=days, logs=logs, seed=seed, model_of=model_of)


write = steps.task_of(simulate_days, lambda done: done.words, name="write")


@flow(name="monitor", flow_run_name=parameters.of_day, persist_result=False)
@described
def monitor(
    as_of: AsOf | None = None,
    preset: PresetName = "demo",
    logs: Logs | None = None,
    artifacts: Artifacts = "artifacts",
) -> State[MonitorReport]:
    """Is the champion still what it was, on logs like those it was trained on? Ends completed, as Breach if not.

    A breach is an event, too.
    """
    report = look(as_of or scheduled_day(), preset, logs=logs, artifacts=artifacts)
    if report.breaches:  # first, so that nobody misses it where the artifact can't be published
        tell("mtmd.monitor.breach", report.line, report.day, report.champion, report.words)
    if report.unfit:  # the automation rollback-on-breach passes these on to the flow below
        place = {"preset": preset, "logs": logs or load_preset(preset).logs, "artifacts": artifacts}
        words = f"the monitor of {report.day}: {report.unfit[0].words}"
        tell("mtmd.champion.unfit", report.line, report.day, report.champion, words, **place)
    steps.update_index(artifacts, preset)
    trend = monitor_stage.monitored(preset, report.day, artifacts=artifacts)
    publish("monitor", f"{report.day}: {report.words[:200]}", jobs.monitor(report, trend))
    name = BREACH if report.breaches else None
    return Completed(data=report, name=name, message=report.words)


look = steps.task_of(monitor_stage.monitor, lambda report: f"{report.day}: {report.words}", name="look")


@flow(name="rollback", flow_run_name="rollback of {preset}", persist_result=False)
@described
def rollback(
    reason: Reason,
    model: Model | None = None,
    preset: PresetName = "demo",
    artifacts: Artifacts = "artifacts",
    logs: Logs | None = None,
    keep_ads: KeepAds = False,
) -> State[RolledBack]:
    """Flip to the previous champion after it answered, then publish the newest day's ads for it.

    Ends completed, in a state named Unpublished when the ads could not be: the flip stands. The model
    taken down stays down until it is reinstated.
    """
    chosen = load_preset(preset)
    workspace = Workspace.of(artifacts, chosen)
    done = roll_back(workspace, reason, model)
    publish("rollback", done.words, jobs.rollback(done))  # at once: publication can take minutes
    steps.update_index(artifacts, preset)
    live = done.champion
    tell("mtmd.champion.rolled-back", chosen.name, live.as_of, live.model_id, f"{done.words} ({reason})")
    ads = Republished(words=done.ads, failed=False)
    if not keep_ads:
        source = LogSource.of(chosen, logs, workspace.spool)
        ads = publish_ads(workspace, source, done, int8=chosen.publication.int8)
        publish("rollback", f"{done.words}; {ads.words}", jobs.rollback(done, ads))
    name = UNPUBLISHED if ads.failed else "Completed"
    return Completed(data=done, name=name, message=f"{done.words}; {ads.words}")


roll_back = steps.task_of(
    rollback_stage.rollback, lambda done: f"{done.words}; {done.check}; {done.ads}", name="roll_back"
)
publish_ads = steps.task_of(rollback_stage.republish, lambda ads: ads.words, name="publish_ads")


@flow(name="clean-up", flow_run_name="clean-up of {preset}", persist_result=False)
@described
def clean_up(
    dry_run: DryRun = True, preset: PresetName = "demo", artifacts: Artifacts = "artifacts"
) -> CleanUp:
    """Remove what the preset's [retention] lets go, or only publish what that is."""
    chosen = load_preset(preset)
    cleaned = clean(Workspace.of(artifacts, chosen), chosen.retention, dry_run=dry_run)
    publish("clean-up", cleaned.words, jobs.clean_up(cleaned))
    if not dry_run:
        steps.update_index(artifacts, preset)  # without links to what is gone
    return cleaned


clean = steps.task_of(clean_up_job.clean_up, lambda cleaned: cleaned.words, name="clean")
