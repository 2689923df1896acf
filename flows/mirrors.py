"""What flows tell the mirrors: the last thing that a run does, for a limited time; none of it fails a run.

Nothing happens where the preset mirrors nothing.
"""

import logging
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Thread
from typing import Any

from prefect import get_run_logger, runtime, task
from prefect.client.schemas.objects import FlowRun, State

from mtmd.config import Preset, load_preset
from mtmd.flows import index
from mtmd.flows.prefect_artifacts import markdown_artifact
from mtmd.mirrors import events, outbox, text
from mtmd.mirrors.events import Ending
from mtmd.mirrors.records import read_run
from mtmd.mirrors.stage import mirror_within
from mtmd.mirrors.state import MirrorState, forget_others
from mtmd.promote.stage import RunSummary
from mtmd.report.index.stage import PAGE, update_index
from mtmd.run import scheduled_as_of
from mtmd.store.workspace import Workspace

_log = logging.getLogger("mtmd.mirrors")


def started(day: date, preset: str, logs: str | None, artifacts: str) -> None:
    """A run begins: its event is sent beside it, so that the run does not wait. Mirrors of before are forgotten."""

    def tell() -> None:
        chosen = load_preset(preset)
        forget_others(Workspace.of(artifacts, chosen), chosen)
        if "openlineage" not in chosen.mirrors.to:
            return
        event = events.started(_run_id(), datetime.now(UTC), day, chosen, logs or chosen.logs)
        outbox.keep(Workspace.of(artifacts, chosen), event)
        sending = (preset, artifacts, None, ("openlineage",))
        Thread(target=mirror_within, args=sending, name="mirror", daemon=True).start()

    _unless_it_fails(tell)


def decided(chosen: Preset, summary: RunSummary, preset: str, logs: str | None, artifacts: str) -> None:
    """A run has decided and written its page; the index then says how far the mirrors are."""
    if not chosen.mirrors.to:
        return
    _unless_it_fails(lambda: _keep_completed(chosen, summary, logs, artifacts))
    catch_up(preset, artifacts)


def catch_up(preset: str, artifacts: str) -> None:
    """Bring the mirrors up to date, as after a rollback."""
    if load_preset(preset).mirrors.to:
        _unless_it_fails(lambda: mirror(preset, artifacts))
        index.update(artifacts, preset)


@task(persist_result=False, name="mirror")
def mirror(preset: str, artifacts: str) -> None:
    """Mirror in a process of its own, and say how far each mirror is."""
    states = mirror_within(preset, artifacts)
    _warn(states, get_run_logger().warning)
    publish(states)


def publish(states: tuple[MirrorState, ...]) -> None:
    """The artifact: how far each mirror is."""
    behind = [state.mirror for state in states if not state.current]
    words = f"not up to date: {', '.join(behind)}" if behind else "up to date"
    markdown_artifact("mirrors", words, text.mirrors(states))


def failed(flow: Any, flow_run: FlowRun, state: State[Any]) -> None:
    """A hook: the run failed, crashed or was cancelled."""

    def tell() -> None:
        given = flow_run.parameters
        preset, artifacts = given.get("preset", "demo"), given.get("artifacts", "artifacts")
        chosen = load_preset(preset)
        if "openlineage" not in chosen.mirrors.to:
            return
        day = given.get("as_of") or scheduled_as_of(flow_run.expected_start_time or datetime.now(UTC))
        # Prefect calls the hook of a cancellation when it begins, in the state Cancelling.
        ending: Ending = "ABORT" if state.is_cancelling() or state.is_cancelled() else "FAIL"
        event = events.ended(
            ending,
            str(flow_run.id),
            datetime.now(UTC),
            date.fromisoformat(f"{day}"),
            chosen,
            state.message or "",
        )
        outbox.keep(Workspace.of(artifacts, chosen), event)
        _warn(mirror_within(preset, artifacts, names=("openlineage",)), _log.warning)
        if (Workspace.of(artifacts, chosen).root / PAGE).is_file():  # not for a line that nothing ran on yet
            update_index(artifacts, preset)

    _unless_it_fails(tell)


def _keep_completed(chosen: Preset, summary: RunSummary, logs: str | None, artifacts: str) -> None:
    workspace = Workspace.of(artifacts, chosen)
    run = read_run(workspace, Path(summary.places["run"]))
    if run is not None and "openlineage" in chosen.mirrors.to:
        at, places = datetime.now(UTC), (logs or chosen.logs, workspace)
        outbox.keep(workspace, events.completed(_run_id(), at, chosen, *places, run))


def _run_id() -> str:
    return str(runtime.flow_run.id)


def _warn(states: tuple[MirrorState, ...], warn: Callable[..., object]) -> None:
    for state in states:
        if not state.current:
            warn("%s is not up to date: %s", state.mirror, state.words)


def _unless_it_fails(tell: Callable[[], object]) -> None:
    """Call what tells a mirror; a warning in the log where it fails, because what a run has done stands."""
    try:
        tell()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is no matter of the run
        _log.warning("the mirrors could not be told: %s; `mtmd mirror` catches up", error)
