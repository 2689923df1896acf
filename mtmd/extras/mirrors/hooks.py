"""The seam `hooks`: what runs tell the mirrors, as the last thing that they do, for a limited time.

Nothing happens where the preset mirrors nothing.
"""

import logging
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from mtmd.config import Preset, load_preset
from mtmd.extras.mirrors import events, outbox
from mtmd.extras.mirrors.records import read_run
from mtmd.extras.mirrors.settings import MirrorName, Settings
from mtmd.extras.mirrors.stage import mirror_within
from mtmd.extras.mirrors.state import behind, forget_others, markdown
from mtmd.report.index import PAGE, update_index
from mtmd.run import scheduled_as_of
from mtmd.store.workspace import Workspace

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun, State

    from mtmd.promote.stage import RunSummary

_log = logging.getLogger(__name__)


def started(day: date, preset: str, logs: str | None, artifacts: str) -> None:
    """A run begins: its event is sent beside it, so that the run does not wait. Mirrors of before are forgotten."""
    chosen = load_preset(preset)
    workspace = Workspace.of(artifacts, chosen)
    forget_others(workspace, chosen)
    if _has_lineage(chosen):
        outbox.keep(workspace, events.started(_run_id(), _now(), day, chosen, logs or chosen.logs))
        Thread(target=_send, args=(preset, artifacts), name="mirror", daemon=True).start()


def decided(summary: "RunSummary", preset: str, logs: str | None, artifacts: str) -> None:
    """A run has decided and written its page."""
    chosen = load_preset(preset)
    workspace = Workspace.of(artifacts, chosen)
    run = read_run(workspace, Path(summary.places["run"])) if _has_lineage(chosen) else None
    if run is not None:
        told = events.completed(_run_id(), _now(), chosen, logs or chosen.logs, workspace, run)
        outbox.keep(workspace, told)
    changed(preset, artifacts)


def changed(preset: str, artifacts: str) -> None:
    """The champion may have changed: bring the mirrors up to date, and say how far each is."""
    if not load_preset(preset).extra(Settings).to:
        return
    states = mirror_within(preset, artifacts)
    for state in states:
        if not state.current:
            _log.warning("%s is not up to date: %s", state.mirror, state.words)
    if _run_id():
        from mtmd.flows.prefect_artifacts import markdown_artifact

        late = behind(states)
        words = f"not up to date: {late}" if late else "up to date"
        markdown_artifact("mirrors", words, markdown(states))
    update_index(artifacts, preset)


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
    workspace = Workspace.of(artifacts, chosen)
    outbox.keep(workspace, events.ended(ending, str(flow_run.id), _now(), as_of, chosen, words))
    _send(preset, artifacts)
    if (workspace.root / PAGE).is_file():  # not for a line that nothing ran on yet
        update_index(artifacts, preset)


def _send(preset: str, artifacts: str) -> None:
    lineage: MirrorName = "openlineage"
    for state in mirror_within(preset, artifacts, names=(lineage,)):
        if not state.current:
            _log.warning("%s is not up to date: %s", state.mirror, state.words)


def _has_lineage(chosen: Preset) -> bool:
    return "openlineage" in chosen.extra(Settings).to


def _run_id() -> str:
    """Of the flow run that this is in; empty outside of one, where Prefect is not even imported."""
    runtime = sys.modules.get("prefect.runtime")
    return str(runtime.flow_run.id or "") if runtime is not None else ""


def _now() -> datetime:
    return datetime.now(UTC)
