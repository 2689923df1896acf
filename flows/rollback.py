"""Take the champion down, make the one before it live again, and publish the newest day's ads for it."""

from typing import Annotated

from prefect import flow, get_run_logger, task
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from mtmd import extension
from mtmd.config import load_preset
from mtmd.flows import index, parameters, prefect_artifacts
from mtmd.flows.events import tell
from mtmd.flows.parameters import Artifacts, Logs, PresetName, described
from mtmd.flows.prefect_artifacts import may_fail
from mtmd.logs.source import LogSource
from mtmd.promote import rollback as rollback_stage
from mtmd.promote.rollback import Republished, RolledBack
from mtmd.report import jobs
from mtmd.store.workspace import Workspace

UNPUBLISHED = "Unpublished"  # a state that ends a run: the automation crash-zombies waits for these
Reason = Annotated[str, Field(min_length=3, max_length=1000, description="Why; written into the history")]
Model = Annotated[
    str, Field(description="The model to take down; refused when another one is live. Any when omitted")
]
KeepAds = Annotated[
    bool,
    Field(description="Whether the model keeps the ads that it has: for when the newest day's are wrong"),
]


@flow(name="rollback", flow_run_name=parameters.of_start, persist_result=False)
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
    done = roll_back(preset, artifacts, reason, model)
    publish(done)  # at once: publication can take minutes
    index.update(artifacts, preset)
    live, line = done.champion, load_preset(preset).name
    tell("mtmd.champion.rolled-back", line, live.as_of, live.model_id, f"{done.words} ({reason})")
    if keep_ads:
        extension.tell("changed", preset, artifacts)
        return Completed(data=done, message=f"{done.words}; {done.ads_words}")
    ads = publish_ads(preset, artifacts, logs, done)
    publish(done, ads)
    extension.tell("changed", preset, artifacts)
    name = UNPUBLISHED if ads.failed else "Completed"
    return Completed(data=done, name=name, message=f"{done.words}; {ads.words}")


@task(persist_result=False)
def roll_back(preset: str, artifacts: str, reason: str, model: str | None) -> RolledBack:
    """Check the target, then flip."""
    done = rollback_stage.rollback(Workspace.of(artifacts, load_preset(preset)), reason, model)
    get_run_logger().info("%s; %s; %s", done.words, done.check, done.ads_words)
    return done


@task(persist_result=False)
def publish_ads(preset: str, artifacts: str, logs: str | None, done: RolledBack) -> Republished:
    """Bring the ads of the model that is live again up to date, or say why they are not."""
    chosen = load_preset(preset)
    workspace = Workspace.of(artifacts, chosen)
    ads = rollback_stage.republish(workspace, LogSource.of(chosen, logs, workspace.spool), done)
    say = get_run_logger().warning if ads.failed else get_run_logger().info
    say("%s", ads.words)
    return ads


@task(persist_result=False, name="publish rollback")
def publish(done: RolledBack, ads: Republished | None = None) -> None:
    """What was taken down, what is live, why, and with which ads."""
    words = f"{done.words}; {ads.words}" if ads else done.words
    # A failed run would invite a second rollback.
    with may_fail("the artifact rollback could not be published"):
        prefect_artifacts.publish("rollback", words, jobs.rollback(done, ads))
