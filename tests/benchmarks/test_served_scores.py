"""Over HTTP come the scores that the candidate was evaluated by, from the trained weights themselves."""

import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks.served_scores import SAME, champion_day, compare, main
from mtmd.config import load_preset
from mtmd.evaluate.predictors import score_day
from mtmd.store.workspace import Workspace
from mtmd.train.checkpoints import load_weights
from tests.flows.runs import AS_OF, TINY, Run


def test_the_ranking_served_is_the_ranking_evaluated(first_run: Run) -> None:
    workspace = Workspace(first_run.root)
    scorer, shard = champion_day(workspace)
    (trained,) = first_run.root.glob("trained/mtmd-*")
    model = load_weights("mtmd", load_preset(TINY), trained / "weights.safetensors")
    scores = score_day(model, shard, scorer.info.declarations)
    log_p = np.where(np.isnan(shard.teacher.numpy()), np.float32(np.nan), scores)  # torch scores every task
    found = compare(workspace, first_run.logs, scorer, shard, log_p, requests=8)
    assert found.delta <= SAME
    assert found.requests >= 20
    assert found.scores > 10 * found.requests


def test_the_command_says_how_far_apart_they_are(first_run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    places = ["--logs", str(first_run.logs), "--artifacts", str(first_run.artifacts), "--requests", "2"]
    assert main(["--preset", TINY, *places]) == 0
    assert f"requests of {AS_OF}: served and evaluated differ by" in capsys.readouterr().out


def test_without_a_champion_nothing_is_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--preset", TINY, "--artifacts", str(tmp_path)]) == 1
    assert re.match("error: .* has no champion", capsys.readouterr().out)
