"""Write the page that a person reads to decide whether to trust the run's model, and the same as Markdown beside it."""

from dataclasses import replace
from pathlib import Path

from mtmd.errors import ReportError
from mtmd.evaluate.ablation import Ablation
from mtmd.promote.stage import DayRun, RunSummary
from mtmd.registry.registry import Registry
from mtmd.report import render
from mtmd.report.line import read_line
from mtmd.report.past import RunRecord
from mtmd.report.since import since
from mtmd.report.view import RunRecords, view
from mtmd.store.workspace import Workspace

MARKDOWN = "report.md"
_LAST = 30  # runs


def write_report(run: DayRun, summary: RunSummary, ablated: Ablation | None = None) -> Path:
    """The page of a run that has decided, at the place that its summary names; returns that place.

    Written again with the ablations when these are done. The page of a decision that an earlier run took is
    left as it is, unless it is missing or there are ablations to add.

    Raises ReportError, whatever went wrong: what was decided stands, and the message says so.
    """
    place = Path(summary.places["report"])
    if summary.repeated and ablated is None and place.is_file():
        return place
    try:
        document = view(_records(run, summary, ablated))
        store = run.plan.workspace.store
        store.write_text(place.with_name(MARKDOWN), render.markdown(document, pictures=False))
        store.write_text(place, render.page(document, run.plan.preset.name))
    except Exception as error:
        raise ReportError(
            f"the report of {summary.model_id} could not be written to {place}: {error}. The decision stands "
            f"({summary.words}); run the same day again to make the report alone"
        ) from error
    return place


def _records(run: DayRun, summary: RunSummary, ablated: Ablation | None) -> RunRecords:
    workspace = run.plan.workspace
    manifest = Registry(workspace.root).manifest(summary.model_id)
    found = RunRecords(run, summary, manifest, past=_past(workspace, summary), ablated=ablated)
    champion = summary.verdict.champion
    if champion is None:
        return found
    return replace(found, since=since(workspace, champion, Path(summary.places["run"]), manifest))


def _past(workspace: Workspace, summary: RunSummary) -> tuple[tuple[RunRecord, str], ...]:
    """The last runs of days up to the run's, the oldest day first, each with what came of it."""
    line = read_line(workspace.root)
    runs = [one for one in line.runs if one.as_of <= summary.as_of][:_LAST]
    return tuple((one, line.verdict(one)) for one in reversed(runs))
