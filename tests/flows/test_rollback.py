"""The rollback flow, and what the next runs make of it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from mtmd.flows import daily_retrain, prefect_artifacts
from mtmd.flows.upkeep import UNPUBLISHED, rollback
from mtmd.promote.rollback import rollback as take_down
from mtmd.registry.registry import Registry
from mtmd.serve.catalogue import Catalogue
from mtmd.store.workspace import Workspace
from tests.flows.runs import AS_OF, LINE, NEXT, TINY, Run, copied, published, run_daily, told

pytestmark = pytest.mark.slow


def test_a_model_that_was_taken_down_stays_down_until_it_is_reinstated(
    prefect_server: str, first_run: Run, next_day: Run, tmp_path: Path
) -> None:
    artifacts = copied(next_day.artifacts, tmp_path / "artifacts")
    bad, good = next_day.summary.model_id, first_run.summary.model_id
    state = rollback("bad conversions", bad, TINY, str(artifacts), str(next_day.logs), return_state=True)
    assert state.name == "Completed"
    assert state.result().champion.model_id == good
    run = state.state_details.flow_run_id
    assert run is not None
    text = published(run)["rollback"]
    for words in (
        f"## {bad} was taken down; {good} is live again",
        "bad conversions",
        "answered for 3 surfaces",
        f"ads of 2026-01-23 are published for {good}: ",
    ):
        assert words in text

    assert "rolled back" in (artifacts / LINE / "index.html").read_text()

    again = run_daily(as_of=NEXT, logs=next_day.logs, artifacts=artifacts)
    assert again.summary.words.startswith(f"kept champion {good} because {bad} was rolled back before; ")

    for event, emitter, said in (
        ("rolled-back", run, f"{bad} was taken down; {good} is live again (bad conversions)"),
        ("kept", again.id, again.summary.words),
    ):
        (found,) = told(prefect_server, f"mtmd.champion.{event}", emitter)
        assert (found["payload"]["champion"], found["payload"]["words"]) == (good, said)
        assert found["resource"] == {
            "prefect.resource.id": "mtmd.line.tiny", "prefect.resource.name": "tiny", "mtmd.day": "earlier",
        }  # fmt: skip

    Registry(artifacts / LINE).reinstate(bad, "it was the logs")
    back = run_daily(as_of=NEXT, logs=next_day.logs, artifacts=artifacts)
    assert (back.summary.promoted, back.summary.champion) == (True, bad)
    (promotion,) = told(prefect_server, "mtmd.champion.promoted", back.id)
    assert promotion["payload"] == {"day": str(NEXT), "champion": bad, "words": back.summary.words}


@pytest.mark.parametrize(
    ("keep_ads", "name", "words"),
    [
        (False, UNPUBLISHED, "- ✗ **ads**: the newest day's ads are not published: "),
        (True, "Completed", f"- **ads**: at the flip, its published ads are those of {AS_OF}"),
    ],
    ids=["cannot be published", "kept"],
)
def test_a_run_shows_that_its_ads_are_not_the_newest(
    next_day: Run, tmp_path: Path, keep_ads: bool, name: str, words: str
) -> None:
    artifacts, bad = copied(next_day.artifacts, tmp_path / "artifacts"), next_day.summary.model_id
    gone = str(tmp_path / "gone")
    state = rollback("bad", bad, TINY, str(artifacts), gone, keep_ads, return_state=True)
    assert (state.name, state.is_completed()) == (name, True)
    assert f"its published ads are those of {AS_OF}" in str(state.message)
    assert state.result().champion == Registry(artifacts / LINE).champion()
    run = state.state_details.flow_run_id
    assert run is not None
    assert words in published(run)["rollback"]


def test_a_server_that_fails_after_the_flip_does_not_fail_the_run(
    prefect_server: str, next_day: Run, first_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed run would invite a second one, which goes back further; and the newest ads would not serve."""

    def unreachable(**_: Any) -> None:
        raise httpx.ConnectError("no server")

    artifacts, good = copied(next_day.artifacts, tmp_path / "artifacts"), first_run.summary.model_id
    monkeypatch.setattr(prefect_artifacts, "create_markdown_artifact", unreachable)
    state = rollback("bad", None, TINY, str(artifacts), str(next_day.logs), return_state=True)
    assert (state.name, state.result().champion.model_id) == ("Completed", good)
    current = Catalogue(artifacts / LINE).current(good)
    assert current is not None
    assert current.day == NEXT + timedelta(days=1)
    run = state.state_details.flow_run_id
    assert run is not None
    assert published(run) == {}
    assert len(told(prefect_server, "mtmd.champion.rolled-back", run)) == 1


def test_a_run_that_goes_on_after_a_rollback_leaves_the_ads_that_it_kept(
    next_day: Run, first_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rollback comes between the run's promotion and its publication."""
    artifacts, publish = copied(next_day.artifacts, tmp_path / "artifacts"), daily_retrain.publish_of_day
    good, bad = first_run.summary.model_id, next_day.summary.model_id

    def rolled_back_after(*given: Any) -> None:
        publish(*given)
        if given[0] == "verdict":
            take_down(Workspace(artifacts / LINE), "the newest ads are wrong", bad)

    monkeypatch.setattr(daily_retrain, "publish_of_day", rolled_back_after)
    again = run_daily(as_of=NEXT, logs=next_day.logs, artifacts=artifacts)
    assert again.summary.champion == bad
    current = Catalogue(artifacts / LINE).current(good)
    assert current is not None
    assert current.day == AS_OF
