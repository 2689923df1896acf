"""Where a preset judges chosen candidates alone, so do benchmarks that hold models against the held-out day."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.equal_cost import main as equal_cost
from benchmarks.peers.__main__ import _Bench, _compare
from benchmarks.runs import extracted, plan_of
from mtmd.config import load_preset
from mtmd.evaluate.evaluation import evaluate_predictors
from mtmd.evaluate.held_out import HeldOutDay
from mtmd.evaluate.predictors import predict_constant, window_medians
from mtmd.extract.shards import open_shard
from mtmd.sources.simulated.platform import simulate
from mtmd.train.stage import window_data
from tests.conftest import FIRST_DAY, TINY
from tests.worlds import tiny_world

AS_OF = FIRST_DAY + timedelta(days=2)


@pytest.fixture(scope="module")
def presets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """One that judges all rows of logs with explored candidates, and one that judges the chosen ones."""
    folder = tmp_path_factory.mktemp("explored")
    world = tiny_world().model_copy(update={"explored_per_request": 6})
    simulate(world, FIRST_DAY, AS_OF, folder / "logs")
    for rows in ("all", "chosen"):
        (folder / f"{rows}.toml").write_text(
            f'base = "{TINY}"\nname = "{rows}"\nlogs = "{folder / "logs"}"\n[evaluation]\nrows = "{rows}"\n'
        )
    return {rows: str(folder / f"{rows}.toml") for rows in ("all", "chosen")}


def test_equal_cost_judges_the_rows_of_the_preset(
    presets: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {}
    for rows, preset in presets.items():
        arguments = [
            "--preset",
            preset,
            "--as-of",
            str(AS_OF),
            "--window-days",
            "2",
            "--artifacts",
            str(tmp_path),
        ]
        assert equal_cost([*arguments, "--epochs", "--more", "pooled=1"]) == 0
        (found[rows],) = re.findall(r"LogMAE ([\d.]+)", capsys.readouterr().out.splitlines()[0])
    assert found["all"] != found["chosen"]  # of one training


def test_the_constant_beside_peers_is_that_of_the_rows_that_are_judged(
    presets: dict[str, str], tmp_path: Path
) -> None:
    preset = load_preset(presets["chosen"])
    plan = plan_of(preset, AS_OF, window_days=2, artifacts=str(tmp_path))
    *window, last = extracted(plan, plan.all_days)
    bench = _Bench(preset, window_data(plan, window), None, (), Console())
    found = {tuple(row[:3]): row[-1] for row in _compare(plan, window, bench, {}, own=False).texts()}
    shards, declarations = [open_shard(Path(ref.path)) for ref in window], preset.declarations
    day = HeldOutDay.of(open_shard(Path(last.path)), declarations)
    constant = predict_constant(window_medians(shards, declarations, chosen=True), day)
    report = evaluate_predictors(
        AS_OF, declarations, day, {"constant": constant}, preset.evaluation, candidate="constant"
    )
    for where in report.slices:
        assert found[tuple(where)] == f"{report.get('constant', where).logmae:.4f}"
