"""Remove outputs that are older than their retention; first say which."""

from typing import Annotated

from prefect import flow, get_run_logger, task
from pydantic import Field

from mtmd.config import load_preset
from mtmd.flows import index, parameters, prefect_artifacts
from mtmd.flows.parameters import Artifacts, PresetName, described
from mtmd.jobs import clean_up as clean_up_job
from mtmd.jobs.clean_up import CleanUp
from mtmd.report import jobs
from mtmd.store.workspace import Workspace

AllowLarge = Annotated[
    bool, Field(description="Whether more than the preset's retention.most_share of the outputs may go")
]
DryRun = Annotated[bool, Field(description="Only publish what would be removed")]


@flow(name="clean-up", flow_run_name=parameters.of_start, persist_result=False)
@described
def clean_up(
    dry_run: DryRun = True,
    preset: PresetName = "demo",
    artifacts: Artifacts = "artifacts",
    allow_large: AllowLarge = False,
) -> CleanUp:
    """Publish what the preset's [retention] lets go, then remove it unless told to look only."""
    planned = plan(preset, artifacts)
    publish(planned, dry_run, allow_large)
    if not dry_run:
        remove(planned, preset, artifacts, allow_large)
        index.update(artifacts, preset)  # without links to what is gone
    return planned


@task(persist_result=False)
def plan(preset: str, artifacts: str) -> CleanUp:
    """Look at everything below the line's directory."""
    chosen = load_preset(preset)
    return clean_up_job.plan_clean_up(Workspace.of(artifacts, chosen), chosen.retention)


@task(persist_result=False, name="publish clean-up")
def publish(planned: CleanUp, dry_run: bool, allow_large: bool) -> None:
    """What goes, what stays, and how much that is."""
    note = ", dry run" if dry_run else ", refused" if planned.large and not allow_large else ""
    words = f"{len(planned.removable)} outputs, {planned.bytes / 1e6:,.1f} MB{note}"
    prefect_artifacts.publish("clean-up", words, jobs.clean_up(planned, dry_run, allow_large))


@task(persist_result=False)
def remove(planned: CleanUp, preset: str, artifacts: str, allow_large: bool) -> None:
    """Remove what was published."""
    logger = get_run_logger()
    clean_up_job.clean_up(
        Workspace.of(artifacts, load_preset(preset)),
        planned,
        lambda output: logger.info("removed %s (%s)", output.path, output.why),
        allow_large=allow_large,
    )
