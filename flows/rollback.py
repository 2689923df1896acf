"""Take the champion down and make the one before it live again."""

from typing import Annotated

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from pydantic import Field

from flows.parameters import Artifacts, PresetName, described
from mtmd import stages
from mtmd.config import load_preset
from mtmd.stages import RolledBack, Workspace, render

Reason = Annotated[str, Field(min_length=3, max_length=1000, description="Why; written into the history")]
Model = Annotated[
    str, Field(description="The model to take down; refused when another one is live. Any when omitted")
]


@flow(name="rollback", validate_parameters=True, persist_result=False)
@described
def rollback(
    reason: Reason,
    model: Model | None = None,
    preset: PresetName = "demo",
    artifacts: Artifacts = "artifacts",
) -> RolledBack:
    """Flip to the previous champion after it answered; the model taken down stays down until it is reinstated."""
    done = roll_back(preset, artifacts, reason, model)
    publish(done)
    return done


@task(persist_result=False)
def roll_back(preset: str, artifacts: str, reason: str, model: str | None) -> RolledBack:
    """Check the target, then flip."""
    done = stages.rollback(Workspace.of(artifacts, load_preset(preset)), reason, model)
    get_run_logger().info("%s; %s", done.words, done.check)
    return done


@task(persist_result=False, name="publish rollback")
def publish(done: RolledBack) -> None:
    """What was taken down, what is live, and why."""
    create_markdown_artifact(render.rollback(done), key="rollback", description=done.words)
