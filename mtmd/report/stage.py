"""Write the page that a person reads to decide whether to trust the run's model."""

from pathlib import Path

from mtmd.abtest.stage import find_ab_test
from mtmd.errors import ReportError
from mtmd.evaluate.ablation import Ablation
from mtmd.evaluate.stage import read_replay
from mtmd.export.stage import load_mtmd
from mtmd.extract.shards import open_shard
from mtmd.promote.stage import DayRun, RunSummary
from mtmd.registry.registry import Registry
from mtmd.report.page.render import ReportInputs, render_report
from mtmd.report.page.towers import trace_means
from mtmd.report.since import since
from mtmd.report.tables.evaluation import Table
from mtmd.report.trend import trend
from mtmd.store.files import digest, locked
from mtmd.store.workspace import INDEX_LOCK


def write_report(run: DayRun, summary: RunSummary, ablated: Ablation | None = None) -> Path:
    """The page of a run that has decided, at the place that its summary names; returns that place.

    Written again with the ablations when these are done. The page of a decision that an earlier run took is
    left as it is, unless it is missing or there are ablations to add. A simulated A/B of the candidate is in it where
    one of the preset's size was run before the page is written.

    Raises ReportError, whatever went wrong: what was decided stands, and the message says so.
    """
    place = Path(summary.places["report"])
    if summary.repeated and ablated is None and place.is_file():
        return place
    try:
        page = render_report(_inputs(run, summary, ablated))
        with locked(run.plan.workspace.root / INDEX_LOCK):  # who writes the index may be linking the page
            run.plan.workspace.store.write_text(place, page)
    except Exception as error:
        raise ReportError(
            f"the report of {summary.model_id} could not be written to {place}: {error}. The decision stands "
            f"({summary.words}); run the same day again to make the report alone"
        ) from error
    return place


def _inputs(run: DayRun, summary: RunSummary, ablated: Ablation | None) -> ReportInputs:
    plan, held_out = run.plan, open_shard(Path(run.days.held_out.path))
    return ReportInputs(
        as_of=plan.as_of,
        preset=plan.preset.name,
        features=plan.preset.features,
        left_out=plan.left_out,
        words=summary.verdict.words(),
        verdict=summary.verdict,
        live=summary.champion,
        evaluation=summary.report,
        replay=read_replay(summary.places["evaluation"]),
        gates=plan.preset.gates,
        fits={model.name: model.fit for model in run.trained},
        trained={model.name: model.key for model in run.trained},
        config=digest(plan.preset.model_dump(mode="json")),
        validations=run.quality.validations,
        days=run.days,
        manifest=Registry(plan.workspace.root).manifest(summary.model_id),
        parity=run.proofs.parity,
        traces=trace_means(load_mtmd(plan, run.candidate), held_out, plan.preset),
        ablations=ablated.reports if ablated else (),
        untrained=ablated.missing if ablated else (),
        variants=ablated.trained if ablated else {},
        tested=find_ab_test(plan, run.trained, run.days.window, run.evaluated.incumbent.compared),
        start=summary.start,
        past=trend(plan.workspace, plan.as_of),
        since=_since(run, summary),
    )


def _since(run: DayRun, summary: RunSummary) -> Table | None:
    """What changed since the champion that the run was compared with; None before the first promotion."""
    champion, workspace = summary.verdict.champion, run.plan.workspace
    if champion is None:
        return None
    manifest = Registry(workspace.root).manifest(summary.model_id)
    place = Path(summary.places["run"])
    return since(workspace, champion, place, manifest, run.quality.validations, summary.report)
