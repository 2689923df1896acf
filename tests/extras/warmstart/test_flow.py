"""The daily flow on a day that goes on from the champion, all of whose outputs are there."""

from pathlib import Path

from tests.extras.warmstart.conftest import Line
from tests.flows.runs import NEXT, run_daily


def test_the_flow_makes_the_same_training_and_leaves_ablations_to_full_retrains(line: Line) -> None:
    before = {path.name for path in Path(line.registry.root / "trained").iterdir()}
    run = run_daily(as_of=NEXT, logs=line.logs, artifacts=line.artifacts, preset=line.preset, ablations=True)
    assert run.summary.repeated
    assert run.summary.model_id == line.second.model_id
    assert run.summary.start == line.second.start
    assert {path.name for path in Path(line.registry.root / "trained").iterdir()} == before
    assert line.second.start in run.published["verdict"]
    assert "ablation" not in run.published
