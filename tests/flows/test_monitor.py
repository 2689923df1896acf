"""The monitor flow: its artifact, its state, and the event of a breach."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from mtmd.flows import prefect_artifacts
from mtmd.flows.upkeep import monitor
from tests.flows.runs import LINE, NEXT, TINY, Run, copied, published, told


def _monitor(run: Run, artifacts: Path, **changed: Any) -> Any:
    given = {"as_of": NEXT, "preset": TINY, "logs": str(run.logs), "artifacts": str(artifacts)}
    return monitor(**(given | changed), return_state=True)


def test_a_quiet_day_completes_with_an_artifact(first_run: Run, tmp_path: Path) -> None:
    artifacts = copied(first_run.artifacts, tmp_path / "artifacts")
    state = _monitor(first_run, artifacts)
    assert (state.name, state.message) == ("Completed", "all is well, 28 of 134 numbers could be judged")
    found = published(state.state_details.flow_run_id)
    assert set(found) == {"monitor"}
    assert f"## ○ {NEXT}: all is well, 28 of 134 numbers could be judged" in found["monitor"]
    assert f"<dd>{NEXT}: {state.message}</dd>" in (artifacts / LINE / "index.html").read_text()


def test_a_breach_names_its_state_and_emits_an_event_although_its_artifact_cannot_be_published(
    prefect_server: str, first_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(**_: Any) -> None:
        raise httpx.ConnectError("no server")

    monkeypatch.setattr(prefect_artifacts, "create_markdown_artifact", unreachable)
    state = _monitor(first_run, tmp_path / "none")
    assert (state.name, state.is_completed()) == ("Breach", True)
    assert state.message == "1 breach: there is no champion"
    (breach,) = told(prefect_server, "mtmd.monitor.breach", state.state_details.flow_run_id)
    assert breach["resource"]["prefect.resource.id"] == "mtmd.line.tiny"
    assert breach["payload"] == {"day": str(NEXT), "champion": None, "words": state.message}
