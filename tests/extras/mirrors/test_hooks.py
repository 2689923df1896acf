"""Mirrors that can't be reached: the day's run is as it would be without them, and says that it is not mirrored."""

import json
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Cancelling

from mtmd import extension
from mtmd.config import Preset
from mtmd.config.preset_files import PRESETS
from mtmd.extras.mirrors.state import MirrorState, write_state
from mtmd.flows.daily_retrain import daily_retrain
from mtmd.flows.rollback import rollback
from mtmd.report.index import write_line
from mtmd.store.files import write_text
from mtmd.store.workspace import Workspace
from tests.flows.runs import AS_OF, LINE, TINY, Run, copied, published, run_daily


@pytest.fixture
def preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The tiny preset with mirrors, and an environment that says nothing of where they are."""
    for name in ("MLFLOW_TRACKING_URI", "OPENLINEAGE_URL", "OPENLINEAGE_CONFIG", "OPENLINEAGE__TRANSPORT"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "mirrored.toml"
    chosen = '[extras.mirrors]\nto = ["mlflow", "openlineage"]\n'
    write_text(file, f'base = "{PRESETS / "tiny.toml"}"\nname = "{LINE}"\n{chosen}')
    return str(file)


def test_a_run_that_is_not_mirrored_decides_as_ever_and_says_so(
    first_run: Run, preset: str, tmp_path: Path
) -> None:
    artifacts = copied(first_run.artifacts, tmp_path / "artifacts")
    run = run_daily(as_of=AS_OF, logs=first_run.logs, artifacts=artifacts, preset=preset)
    assert run.state.is_completed()
    assert run.summary.repeated  # mirrors are in no name of an output
    assert set(run.summary.reused.values()) == {"21 of 21", "3 of 3", "1 of 1"}
    said = run.published["mirrors"]
    assert said.startswith("## ✗ Not up to date: mlflow, openlineage\n")
    assert "MLFLOW_TRACKING_URI is not set" in said
    start, end = _waiting(artifacts, 2)
    assert (start["eventType"], end["eventType"]) == ("START", "COMPLETE")
    assert {start["run"]["runId"], end["run"]["runId"]} == {str(run.id)}
    days = end["inputs"][0]["inputFacets"]["subset"]["inputCondition"]["partitions"]
    assert [days[0]["identifier"], days[-1]["identifier"], len(days)] == [
        "date=2026-01-01",
        f"date={AS_OF}",
        21,
    ]
    assert [Path(one["name"]).name for one in end["outputs"]] == ["shards", "models", "champion.json"]


def test_a_run_that_fails_says_why_in_its_last_event(first_run: Run, preset: str, tmp_path: Path) -> None:
    run = run_daily(as_of=AS_OF, logs=tmp_path / "nowhere", artifacts=tmp_path / "artifacts", preset=preset)
    assert run.state.is_failed()
    start, end = _waiting(tmp_path / "artifacts", 2)
    assert (start["eventType"], end["eventType"]) == ("START", "FAIL")
    assert "nowhere" in end["run"]["facets"]["errorMessage"]["message"]


def test_a_run_that_is_cancelled_is_aborted(preset: str, tmp_path: Path) -> None:
    """Prefect calls the hook when a cancellation begins."""
    write_line(tmp_path / LINE)
    given = {"as_of": str(AS_OF), "preset": preset, "artifacts": str(tmp_path)}
    cancelled = FlowRun(flow_id=uuid4(), parameters=given)
    state: State[Any] = Cancelling(message="by a person")
    for hook in daily_retrain.on_cancellation_hooks:
        hook(daily_retrain, cancelled, state)
    (end,) = _waiting(tmp_path, 1)
    assert (end["eventType"], end["run"]["runId"]) == ("ABORT", str(cancelled.id))
    assert "Mirrors are not up to date" in (tmp_path / LINE / "index.html").read_text()
    assert end["run"]["facets"]["errorMessage"]["message"] == "by a person"


def test_a_mirror_that_the_preset_names_no_more_leaves_the_index(tiny_preset: Preset, tmp_path: Path) -> None:
    workspace = Workspace.of(tmp_path, tiny_preset)
    write_state(workspace, MirrorState.now("mlflow", "the server is gone", current=False))
    write_line(workspace.root)
    assert "Mirrors are not up to date" in (workspace.root / "index.html").read_text()
    extension.tell("started", AS_OF, TINY, None, str(tmp_path))
    write_line(workspace.root)
    assert "Mirrors" not in (workspace.root / "index.html").read_text()


def test_a_rollback_that_is_not_mirrored_stands_and_says_so(
    next_day: Run, preset: str, tmp_path: Path
) -> None:
    artifacts = copied(next_day.artifacts, tmp_path / "artifacts")
    state = rollback("bad", preset=preset, artifacts=str(artifacts), keep_ads=True, return_state=True)
    assert state.is_completed()
    run = state.state_details.flow_run_id
    assert run is not None
    assert published(run)["mirrors"].startswith("## ✗ Not up to date: mlflow, openlineage\n")


def _waiting(artifacts: Path, count: int) -> list[dict[str, Any]]:
    """The events that wait, oldest first."""
    deadline = time.monotonic() + 60
    while len(paths := sorted((artifacts / LINE / "mirrors" / "events").glob("*.json"))) < count:
        assert time.monotonic() < deadline, paths
        time.sleep(0.1)
    return [json.loads(path.read_text()) for path in paths]
