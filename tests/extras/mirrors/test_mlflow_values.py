"""What MLflow is told, from records alone: no library is needed."""

from math import expm1

import pytest

from mtmd.extras.mirrors.mlflow_values import metrics, params, tags, version_tags
from tests.extras.mirrors.conftest import Mirrored


def test_parameters_are_the_day_the_window_and_the_presets_keys(mirrored: Mirrored) -> None:
    told, preset = params(mirrored.told(0)), mirrored.preset
    assert (told["as_of"], told["start"]) == ("2026-01-25", "full retrain")
    window = (told["window.first"], told["window.last"], told["window.days"])
    assert window == ("2026-01-22", "2026-01-24", "3")
    assert (told["held_out.fingerprint"], told["seed.training"]) == ("f" * 64, "0")
    assert told["training.epochs"] == str(preset.training.epochs)
    assert told["gates.champion_tolerance"] == str(preset.gates.champion_tolerance)
    assert told["model.cross_rank"] == str(preset.model.cross_rank)
    assert not [key for key in told if key.split(".")[0] in {"simulation", "retention", "extras", "sources"}]


def test_metrics_are_by_slice_and_task(mirrored: Mirrored) -> None:
    told = metrics(mirrored.told(1))
    assert told["logmae/search/standard/ctr"] == told["logmae/all/ctr"] == 0.4
    assert told["auc/search/standard/ctr"] == 0.75
    assert told["rows/all/ctr"] == 200
    assert told["over_champion/all/ctr"] == pytest.approx(-expm1(-0.1))
    assert (told["gate/champion"], told["gate/parity"], told["promoted"]) == (0.0, 1.0, 0.0)
    assert (told["window_rows"], told["training_seconds"]) == (12345.0, 61.6)


def test_what_is_undefined_or_had_nothing_to_judge_is_no_metric(mirrored: Mirrored) -> None:
    run = mirrored.told(0)
    for row in run.summary["report"]["metrics"]:
        row["auc"] = None
    gates = [{"name": "a/b×test", "passed": True}, {"name": "c", "passed": False, "applicable": False}]
    run.summary["verdict"]["gates"] = gates
    told = metrics(run)
    assert not [key for key in told if key.startswith("auc")]
    assert [key for key in told if key.startswith("gate")] == ["gate/a/b_test"]  # a name that MLflow takes


def test_records_without_metrics_and_origin_are_told_as_well(mirrored: Mirrored) -> None:
    run = mirrored.told(0)
    bare = run._replace(origin={}, manifest=None, summary=run.summary | {"report": None, "words": "x" * 9000})
    assert metrics(bare) == {"gate/champion": 1.0, "gate/parity": 1.0, "promoted": 1.0}
    assert params(bare) == {"as_of": "2026-01-25", "start": "full retrain"}
    assert len(tags(bare, "tiny", "page")["mtmd.words"]) == 5000  # what MLflow takes


def test_tags_find_a_run_and_a_version_again(mirrored: Mirrored) -> None:
    run = mirrored.told(1)
    told = tags(run, "tiny", "http://host/report.html")
    assert (told["mtmd.run"], told["mtmd.model_id"], told["mtmd.verdict"]) == (run.name, "b1", "kept")
    assert (told["mtmd.champion"], told["mlflow.source.git.commit"]) == ("a1", "c0ffee")
    assert "[Report page](http://host/report.html)" in told["mlflow.note.content"]
    assert "Report page: `/a/path`" in tags(run, "tiny", "/a/path")["mlflow.note.content"]
    assert run.manifest is not None
    assert version_tags(run.manifest, "tiny") == {
        "mtmd.model_id": "b1",
        "mtmd.bundle_id": run.manifest.bundle_id,
        "mtmd.line": "tiny",
        "mtmd.as_of": "2026-01-26",
    }
