"""Flow-run artifacts: what a person reads to decide whether to trust a model. Keys are stable."""

from collections.abc import Sequence

from prefect import task
from prefect.artifacts import create_markdown_artifact

from mtmd.stages import (
    Ablation,
    DataQuality,
    Evaluated,
    Proofs,
    RunPlan,
    RunSummary,
    Trained,
    render,
    report_url,
)


def _publish(key: str, description: str, markdown: str) -> None:
    create_markdown_artifact(markdown=markdown, key=key, description=description)


@task(persist_result=False, name="publish data-quality")
def data_quality(planned: RunPlan, quality: DataQuality) -> None:
    """What the suites said."""
    _publish("data-quality", f"as_of {planned.as_of}", render.data_quality(planned, quality))


@task(persist_result=False, name="publish training")
def training(planned: RunPlan, trained: Sequence[Trained]) -> None:
    """Curves and a summary of each training."""
    _publish("training", f"as_of {planned.as_of}", render.training(planned, trained))


@task(persist_result=False, name="publish metrics")
def metrics(planned: RunPlan, evaluated: Evaluated) -> None:
    """Held-out metrics by slice and rank bucket."""
    _publish("metrics", f"as_of {planned.as_of}", render.metrics(planned, evaluated))


@task(persist_result=False, name="publish parity")
def parity(planned: RunPlan, proofs: Proofs) -> None:
    """Whether the exported files compute what the trained model computes."""
    _publish("parity", f"as_of {planned.as_of}", render.parity(planned, proofs))


@task(persist_result=False, name="publish ablation")
def ablation(planned: RunPlan, ablated: Ablation) -> None:
    """What each factor of the model contributes (paper Table 6)."""
    _publish("ablation", f"as_of {planned.as_of}", render.ablation(planned, ablated))


@task(persist_result=False, name="publish verdict")
def verdict(planned: RunPlan, summary: RunSummary) -> None:
    """Promoted, or kept, and why."""
    _publish(
        "verdict",
        f"as_of {planned.as_of}: {summary.words[:200]}",
        render.verdict(summary, report_url(planned, summary)),
    )
