"""Write the page that a person reads to decide whether to trust the run's model."""

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from mtmd.abtest.stage import find_ab_test
from mtmd.errors import ReportError
from mtmd.evaluate.ablation import Ablation
from mtmd.evaluate.stage import read_replay
from mtmd.export.stage import Proofs, load_mtmd
from mtmd.extract.shards import ShardRef, open_shard
from mtmd.promote.stage import RunSummary
from mtmd.registry.registry import Registry
from mtmd.report.page.render import ReportInputs, render_report
from mtmd.report.page.towers import trace_means
from mtmd.run import RunPlan
from mtmd.store.files import digest, resolve, write_text
from mtmd.train.stage import Trained
from mtmd.validate.stage import DataQuality


def write_report(
    plan: RunPlan,
    summary: RunSummary,
    *,
    quality: DataQuality,
    shards: Sequence[ShardRef],
    trained: Sequence[Trained],
    proofs: Proofs,
    ablated: Ablation | None = None,
) -> Path:
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
        write_text(place, render_report(_inputs(plan, summary, quality, shards, trained, proofs, ablated)))
    except Exception as error:
        raise ReportError(
            f"the report of {summary.model_id} could not be written to {place}: {error}. The decision stands "
            f"({summary.words}); run the same day again to make the report alone"
        ) from error
    return place


def report_url(artifacts: str | Path, page: str) -> str | None:
    """Where a browser finds a page, when MTMD_REPORTS_URL says under which URL the artifacts are served."""
    base = os.environ.get("MTMD_REPORTS_URL", "").rstrip("/")
    if not base:
        return None
    inside = Path(page).relative_to(resolve(artifacts))
    return f"{base}/{quote(inside.as_posix())}"


def _inputs(
    plan: RunPlan,
    summary: RunSummary,
    quality: DataQuality,
    shards: Sequence[ShardRef],
    trained: Sequence[Trained],
    proofs: Proofs,
    ablated: Ablation | None,
) -> ReportInputs:
    mtmd = next(one for one in trained if one.name == "mtmd")
    held_out = open_shard(Path(shards[-1].path))
    return ReportInputs(
        as_of=plan.as_of,
        preset=plan.preset.name,
        left_out=plan.left_out,
        words=summary.verdict.words(),
        verdict=summary.verdict,
        live=summary.champion,
        evaluation=summary.report,
        replay=read_replay(summary.places["evaluation"]),
        gates=plan.preset.gates,
        fits={one.name: one.fit for one in trained},
        trained={one.name: one.key for one in trained},
        config=digest(plan.preset.model_dump(mode="json")),
        validations=quality.validations,
        shards=tuple(shards),
        manifest=Registry(plan.workspace.root).manifest(summary.model_id),
        parity=proofs.parity,
        traces=trace_means(load_mtmd(plan, mtmd), held_out, plan.preset),
        ablations=ablated.reports if ablated else (),
        untrained=ablated.missing if ablated else (),
        variants=ablated.trained if ablated else {},
        tested=find_ab_test(plan, trained, shards[:-1]),
    )
