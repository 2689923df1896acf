"""Take the champion down, make the one before it live again, and publish the newest day's ads for it."""

from typing import Annotated

from prefect import flow, task
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from mtmd import extension
from mtmd.config import load_preset
from mtmd.flows import parameters, prefect_artifacts, steps
from mtmd.flows.parameters import Artifacts, Logs, PresetName, described
from mtmd.flows.prefect_artifacts import may_fail, tell
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
    chosen = load_preset(preset)
    workspace = Workspace.of(artifacts, chosen)
    done = roll_back(workspace, reason, model)
    publish(done)  # at once: publication can take minutes
    steps.update_index(artifacts, preset)
    live = done.champion
    tell("mtmd.champion.rolled-back", chosen.name, live.as_of, live.model_id, f"{done.words} ({reason})")
    ads = Republished(words=done.ads_words, failed=False)
    if not keep_ads:
        ads = publish_ads(workspace, LogSource.of(chosen, logs, workspace.spool), done)
        publish(done, ads)
    extension.tell("changed", preset, artifacts)
    name = UNPUBLISHED if ads.failed else "Completed"
    return Completed(data=done, name=name, message=f"{done.words}; {ads.words}")


roll_back = steps.task_of(
    rollback_stage.rollback, lambda done: f"{done.words}; {done.check}; {done.ads_words}", name="roll_back"
)
publish_ads = steps.task_of(rollback_stage.republish, lambda ads: ads.words, name="publish_ads")


@task(persist_result=False, name="publish rollback")
def publish(done: RolledBack, ads: Republished | None = None) -> None:
    """What was taken down, what is live, why, and with which ads."""
    words = f"{done.words}; {ads.words}" if ads else done.words
    # A failed run would invite a second rollback.
    with may_fail("the artifact rollback could not be published"):
        prefect_artifacts.publish("rollback", words, jobs.rollback(done, ads))
