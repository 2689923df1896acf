"""Flow-run artifacts: what a person reads to decide whether to trust a model. Keys are stable."""

from collections.abc import Sequence
from datetime import date

from prefect import task
from prefect.artifacts import create_markdown_artifact

from mtmd.abtest.outcome import ABTest
from mtmd.evaluate.ablation import Ablation
from mtmd.evaluate.stage import Evaluated
from mtmd.export.stage import Proofs
from mtmd.jobs.backfill import BackfillPlan, DayOutcome
from mtmd.promote.stage import RunSummary
from mtmd.report.markdown import backfill as backfill_render
from mtmd.report.markdown import daily as render
from mtmd.report.stage import report_url
from mtmd.run import RunPlan
from mtmd.train.stage import Trained
from mtmd.validate.stage import DataQuality


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


@task(persist_result=False, name="publish ab-test")
def ab_test(planned: RunPlan, tested: ABTest) -> None:
    """What the model does to cost and engagement (paper Tables 2 to 5)."""
    _publish("ab-test", f"as_of {planned.as_of}: {tested.words}", render.ab_test(planned, tested))


@task(persist_result=False, name="publish verdict")
def verdict(planned: RunPlan, summary: RunSummary) -> None:
    """Promoted, or kept, and why."""
    _publish(
        "verdict",
        f"as_of {planned.as_of}: {summary.words[:200]}",
        render.verdict(summary, report_url(planned.artifacts, summary.places["report"])),
    )


@task(persist_result=False, name="publish verdict")
def stopped(as_of: date, words: str, live: str | None) -> None:
    """Why a run ended before it could decide."""
    _publish("verdict", f"as_of {as_of}: stopped, {words[:200]}", render.stopped(as_of, words, live))


@task(persist_result=False, name="publish backfill-plan")
def backfill_plan(planned: BackfillPlan) -> None:
    """What each day would run, reuse and cost."""
    words = f"{planned.first} to {planned.last}: {len(planned.running)} of {len(planned.days)} days run"
    _publish("backfill-plan", words, backfill_render.plan_table(planned))


@task(persist_result=False, name="publish backfill")
def backfill(planned: BackfillPlan, outcomes: Sequence[DayOutcome], artifacts: str) -> None:
    """Day by day: verdict and metrics, their trend, and links to the days' pages where these are served."""
    urls = {outcome.as_of: report_url(artifacts, outcome.report) for outcome in outcomes if outcome.report}
    pages = {day: url for day, url in urls.items() if url}
    words = f"{planned.first} to {planned.last}: {len(outcomes)} of {len(planned.days)} days"
    _publish("backfill", words, backfill_render.outcome_table(planned, outcomes, pages))
