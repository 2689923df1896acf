"""Rolling a real model back: it must answer first, and stays down until it is reinstated."""

from pathlib import Path

import pytest

from mtmd.errors import BundleError, RegistryError
from mtmd.registry import Registry
from mtmd.stages import Workspace, rollback
from tests.flows.runs import LINE, Run, copied


@pytest.fixture
def workspace(next_day: Run, tmp_path: Path) -> Workspace:
    return Workspace(copied(next_day.artifacts, tmp_path / "artifacts") / LINE)


def test_the_previous_champion_answers_and_is_live_again(
    workspace: Workspace, first_run: Run, next_day: Run
) -> None:
    done = rollback(workspace, "bad conversions", next_day.summary.model_id)
    assert done.words == (
        f"{next_day.summary.model_id} was taken down; {first_run.summary.model_id} is live again"
    )
    assert done.check == "a fresh process answered for 3 surfaces × 2 products"
    champion = Registry(workspace.root).champion()
    assert champion == done.champion
    assert champion is not None
    assert champion.change.reason == "bad conversions"


def test_a_target_that_is_altered_stays_down(workspace: Workspace, first_run: Run, next_day: Run) -> None:
    (workspace.root / "models" / first_run.summary.model_id / "query_search.onnx").write_bytes(b"altered")
    with pytest.raises(BundleError, match=r"query_search\.onnx of model"):
        rollback(workspace, "bad conversions")
    champion = Registry(workspace.root).champion()
    assert champion is not None
    assert champion.model_id == next_day.summary.model_id
    with pytest.raises(RegistryError, match="model 'another' is not live"):
        rollback(workspace, "bad conversions", "another")
