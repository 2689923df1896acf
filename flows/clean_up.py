"""Remove outputs that are older than their retention; first say which."""

from typing import Annotated

from prefect import flow, get_run_logger, task
from pydantic import Field

from mtmd.config import load_preset
from mtmd.flows import parameters, prefect_artifacts, steps
from mtmd.flows.parameters import Artifacts, PresetName, described
from mtmd.jobs import clean_up as clean_up_job
from mtmd.jobs.clean_up import CleanUp
from mtmd.report import jobs
from mtmd.store.workspace import Workspace

DryRun = Annotated[bool, Field(description="Only publish what would be removed")]


@flow(name="clean-up", flow_run_name=parameters.of_start, persist_result=False)
@described
def clean_up(
    dry_run: DryRun = True, preset: PresetName = "demo", artifacts: Artifacts = "artifacts"
) -> CleanUp:
    """Publish what the preset's [retention] lets go, then remove it unless told to look only."""
    chosen = load_preset(preset)
    workspace = Workspace.of(artifacts, chosen)
    planned = plan(workspace, chosen.retention)
    publish(planned, dry_run)
    if not dry_run:
        remove(workspace, planned, lambda one: get_run_logger().info("removed %s (%s)", one.path, one.why))
        steps.update_index(artifacts, preset)  # without links to what is gone
    return planned


plan = steps.task_of(clean_up_job.plan_clean_up, name="plan")
remove = steps.task_of(clean_up_job.clean_up, name="remove")


@task(persist_result=False, name="publish clean-up")
def publish(planned: CleanUp, dry_run: bool) -> None:
    """What goes, what stays, and how much that is."""
    words = f"{len(planned.removable)} outputs, {planned.bytes / 1e6:,.1f} MB{', dry run' if dry_run else ''}"
    prefect_artifacts.publish("clean-up", words, jobs.clean_up(planned, dry_run))
