"""The seam `hooks`: what runs tell the mirrors, as the last thing that they do, for a limited time.

Nothing happens where the preset mirrors nothing.
"""

import logging
import sys
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from mtmd.config import Preset, load_preset
from mtmd.extras.mirrors import events
from mtmd.extras.mirrors.settings import Settings
from mtmd.extras.mirrors.stage import mirror_within
from mtmd.registry.registry import Registry
from mtmd.run import scheduled_as_of
from mtmd.store.workspace import Workspace

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun, State

    from mtmd.promote.findings import RunSummary

_NOTE = "The decision, the registry and the pages do not depend on it. The next run, or `mtmd mirror`, catches up."
_log = logging.getLogger(__name__)


def started(day: date, preset: str, logs: str | None, artifacts: str) -> None:
    """A run begins: its event is sent with the next one."""
    chosen = load_preset(preset)
    if _has_lineage(chosen):
        event = events.started(_run_id(), _now(), day, chosen, logs or chosen.logs)
        events.keep(Workspace.of(artifacts, chosen), event)


def decided(summary: "RunSummary", preset: str, logs: str | None, artifacts: str) -> None:
    """A run has decided and written its page."""
    chosen = load_preset(preset)
    workspace = Workspace.of(artifacts, chosen)
    if _has_lineage(chosen):
        manifest, place = Registry(workspace.root).manifest(summary.model_id), logs or chosen.logs
        event = events.completed(
            _run_id(), _now(), chosen, place, workspace, manifest, promoted=summary.promoted
        )
        events.keep(workspace, event)
    changed(preset, artifacts)


def changed(preset: str, artifacts: str) -> None:
    """The champion may have changed: bring the mirrors up to date, and say how far they are."""
    settings = load_preset(preset).extra(Settings)
    if not settings.to:
        return
    words, current = mirror_within(preset, artifacts, settings.seconds)
    if not current:
        _log.warning("the mirrors are not up to date: %s", words)
    if _run_id():
        from mtmd.flows.prefect_artifacts import markdown_artifact
        from mtmd.report.tables import plain

        head = "✓ The mirrors are up to date" if current else "✗ The mirrors are not up to date"
        lines = [f"- {plain(line)}" for line in words.splitlines()]
        text = "\n".join([f"## {head}", "", *lines, *(() if current else ("", _NOTE)), ""])
        markdown_artifact("mirrors", head[2:], text)


def failed(flow_run: "FlowRun", state: "State[Any]") -> None:
    """A run failed, crashed or was cancelled."""
    given = flow_run.parameters
    preset, artifacts = given.get("preset", "demo"), given.get("artifacts", "artifacts")
    chosen = load_preset(preset)
    if not _has_lineage(chosen):
        return
    day = given.get("as_of") or scheduled_as_of(flow_run.expected_start_time or _now())
    # Prefect calls the hook of a cancellation when it begins, in the state Cancelling.
    ending: events.Ending = "ABORT" if state.is_cancelling() or state.is_cancelled() else "FAIL"
    as_of, words = date.fromisoformat(f"{day}"), state.message or ""
    event = events.ended(ending, str(flow_run.id), _now(), as_of, chosen, words)
    events.keep(Workspace.of(artifacts, chosen), event)
    changed(preset, artifacts)


def _has_lineage(chosen: Preset) -> bool:
    return "openlineage" in chosen.extra(Settings).to


def _run_id() -> str:
    """Of the flow run that this is in; empty outside of one, where Prefect is not even imported."""
    runtime = sys.modules.get("prefect.runtime")
    return str(runtime.flow_run.id or "") if runtime is not None else ""


def _now() -> datetime:
    return datetime.now(UTC)
