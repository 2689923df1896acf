"""A line in a real MLflow store, through the client that a run uses, in processes of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mtmd.store.files import discard
from tests.extras.mirrors.conftest import KEPT, LIVE, Mirrored
from tests.inspect.conftest import SECOND

pytest.importorskip("mlflow", reason="pip install -e '.[mlflow]' brings it")

_SNAPSHOT = """
import json
from mlflow import MlflowClient
client = MlflowClient()
runs = client.search_runs([client.get_experiment_by_name("mtmd-tiny").experiment_id])
told = {
    "runs": {
        run.data.tags["mtmd.run"]: {
            "id": run.info.run_id, "status": run.info.status, "params": run.data.params, "metrics": run.data.metrics,
            "points": {key: len(client.get_metric_history(run.info.run_id, key)) for key in run.data.metrics},
            "tags": {key: value for key, value in run.data.tags.items() if key.startswith("mtmd.")},
            "files": sorted(file.path for folder in ("records", "bundle")
                            for file in client.list_artifacts(run.info.run_id, folder)),
        }
        for run in runs
    },
    "versions": {one.tags["mtmd.model_id"]: {"version": str(one.version), "run": one.run_id, "tags": one.tags}
                 for one in client.search_model_versions("name = 'mtmd-tiny'")},
    "aliases": {key: str(one) for key, one in client.get_registered_model("mtmd-tiny").aliases.items()},
}
print(json.dumps(told, sort_keys=True))
"""
_CUT_OFF = """
import sys
from mlflow import MlflowClient
client = MlflowClient()
experiment = client.create_experiment("mtmd-tiny")
print(client.create_run(experiment, tags={"mtmd.run": sys.argv[1], "mtmd.line": "tiny"}).info.run_id)
"""
Ask = Callable[..., str]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Runs a script with MLflow's client; its last line."""
    monkeypatch.chdir(tmp_path)  # where this store puts artifacts
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))

    def run(script: str, *arguments: str) -> str:
        command = [sys.executable, "-c", script, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1]

    return run


def test_a_line_is_mirrored_once_and_aliases_follow_the_champion(mirrored: Mirrored, ask: Ask) -> None:
    first, second = (run.name for run in mirrored.runs)
    cut_off = ask(_CUT_OFF, first)
    assert _mirror(mirrored) == "2 of 2 runs are in MLflow's experiment 'mtmd-tiny'\n"
    told = _snapshot(ask)
    assert told["runs"].keys() == {first, second}
    run = told["runs"][first]
    assert run["id"] == cut_off  # taken up again where it was cut off
    assert (run["status"], run["tags"]["mtmd.mirrored"]) == ("FINISHED", "2")
    assert run["params"]["window.days"] == "3"
    assert run["metrics"]["logmae/search/standard/ctr"] == 0.4
    assert {"records/report.html", "records/summary.json", "bundle/bundle.json"} <= set(run["files"])
    assert {name: one["version"] for name, one in told["versions"].items()} == {LIVE: "1", KEPT: "2"}
    assert told["versions"][LIVE]["run"] == cut_off
    assert told["aliases"] == {"champion": "1"}

    _mirror(mirrored)
    assert _snapshot(ask) == told  # the same thing once
    assert set(run["points"].values()) == {1}

    registry = mirrored.line.registry
    registry.promote(KEPT, SECOND, "by hand", 1)
    registry.rollback("bad", lambda directory: None)
    _mirror(mirrored)
    told = _snapshot(ask)
    assert told["aliases"] == {"champion": "1"}
    assert [name for name, one in told["versions"].items() if "mtmd.rolled_back" in one["tags"]] == [KEPT]

    registry.reinstate(KEPT, "it was the logs")
    registry.promote(KEPT, SECOND, "by hand", 4)
    _mirror(mirrored)
    told = _snapshot(ask)
    assert told["aliases"] == {"champion": "2"}
    assert not [one for one in told["versions"].values() if "mtmd.rolled_back" in one["tags"]]


def test_an_altered_bundle_is_no_version_and_the_words_say_so(mirrored: Mirrored, ask: Ask) -> None:
    (mirrored.line.registry.path(KEPT) / "metrics.json").write_text("altered")
    said = _mirror(mirrored, 1)
    assert said.startswith("1 of 2 runs are in MLflow's experiment 'mtmd-tiny'\n")
    assert f"error: MLflow is not up to date: {mirrored.runs[1].name} is not mirrored: " in said
    told = _snapshot(ask)
    assert told["versions"].keys() == {LIVE}
    assert told["aliases"] == {"champion": "1"}


def test_a_run_whose_record_cannot_be_read_is_named_and_holds_up_no_other(
    mirrored: Mirrored, ask: Ask
) -> None:
    damaged = mirrored.runs[0]
    (damaged / "summary.json").write_text("{")
    assert f"{damaged.name} is not mirrored: {damaged}" in _mirror(mirrored, 1)
    assert _snapshot(ask)["runs"].keys() == {mirrored.runs[1].name}


def test_a_run_whose_model_the_clean_up_removed_is_mirrored_without_it(mirrored: Mirrored, ask: Ask) -> None:
    discard(mirrored.line.registry.path(LIVE))
    _mirror(mirrored)
    told = _snapshot(ask)
    assert told["runs"].keys() == {run.name for run in mirrored.runs}
    assert told["versions"].keys() == {KEPT}


def _mirror(mirrored: Mirrored, status: int = 0) -> str:
    """What the command says, with this exit status."""
    command = ["mirror", "--preset", mirrored.file, "--artifacts", mirrored.artifacts]
    done = subprocess.run(
        [sys.executable, "-m", "mtmd.cli", *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def _snapshot(ask: Ask) -> Any:
    return json.loads(ask(_SNAPSHOT))
