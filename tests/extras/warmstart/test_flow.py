"""The daily flow on a day that goes on from the champion, all of whose outputs are there."""

from pathlib import Path

from mtmd.flows.ab_test import ab_test
from mtmd.store.files import write_text
from tests.extras.warmstart.conftest import Line
from tests.flows.runs import LINE, NEXT, run_daily


def test_the_flow_makes_the_same_training_and_leaves_ablations_to_full_retrains(line: Line) -> None:
    before = {path.name for path in Path(line.registry.root / "trained").iterdir()}
    run = run_daily(as_of=NEXT, logs=line.logs, artifacts=line.artifacts, preset=line.preset, ablations=True)
    assert run.summary.repeated
    assert run.summary.model_id == line.second.model_id
    assert run.summary.start == line.second.start
    assert {path.name for path in Path(line.registry.root / "trained").iterdir()} == before
    assert line.second.start in run.published["verdict"]
    assert "ablation" not in run.published


def test_an_ab_test_trains_no_variant_of_it_and_no_rival_that_is_never_trained(line: Line) -> None:
    before = {path.name for path in Path(line.registry.root / "trained").iterdir()}
    preset = line.artifacts / "no-pooled.toml"
    write_text(preset, f'base = "{line.preset}"\nname = "{LINE}"\n[rivals.pooled]\nevery_days = 0\n')
    found = ab_test(
        NEXT,
        preset=str(preset),
        samples=5,
        requests=50,
        logs=str(line.logs),
        artifacts=str(line.artifacts),
    )
    assert set(found.used) == {"mtmd", "per_slice", "champion", "oracle", "heavyweight", "chance"}
    assert {path.name for path in Path(line.registry.root / "trained").iterdir()} == before
