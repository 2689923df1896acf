"""What MLflow is told, from records alone: no library is needed."""

from dataclasses import replace
from datetime import date
from math import expm1

import pytest

from mtmd.extras.mirrors.mlflow_values import metrics, params, tags, version_tags
from mtmd.store.files import digest
from tests.extras.mirrors.conftest import Mirrored

WINDOW = {date(2026, 1, day): f"{date(2026, 1, day).toordinal():064d}" for day in (22, 23, 24)}


def test_parameters_are_the_day_the_window_and_the_presets_keys(mirrored: Mirrored) -> None:
    told = params(mirrored.runs[0])
    assert told["as_of"] == "2026-01-25"
    assert told["start"] == "full retrain"
    assert (told["window.first"], told["window.last"], told["window.days"]) == (
        "2026-01-22",
        "2026-01-24",
        "3",
    )
    assert told["held_out.fingerprint"] == "f" * 16
    assert told["seed.training"] == "0"
    assert told["tasks"] == "ctr, gctr, octr"
    assert told["training.epochs"] == str(mirrored.preset.training.epochs)
    assert told["gates.champion_tolerance"] == str(mirrored.preset.gates.champion_tolerance)
    assert told["model.cross_rank"] == str(mirrored.preset.model.cross_rank)
    assert (
        told["window.fingerprint"]
        == digest({str(day): fingerprint for day, fingerprint in WINDOW.items()})[:16]
    )
    assert not [key for key in told if key.split(".")[0] in {"simulation", "retention", "mirrors", "sources"}]


def test_a_long_value_is_shortened_to_what_mlflow_takes(mirrored: Mirrored) -> None:
    run = mirrored.runs[0]
    assert run.origin is not None
    preset = {"features": [{"name": "f" * 100}] * 100}
    told = params(replace(run, origin=run.origin.model_copy(update={"preset": preset})))
    assert len(told["features"]) == 6000
    assert told["features"].endswith("f…")


def test_metrics_are_by_slice_and_task(mirrored: Mirrored) -> None:
    told = metrics(mirrored.runs[1])
    assert told["logmae/search/standard/ctr"] == 0.4
    assert told["logmae/all/ctr"] == 0.4
    assert told["calibration/all/ctr"] == pytest.approx(1.5)  # 0.03 predicted, 0.02 by the teacher
    assert told["auc/search/standard/ctr"] == 0.75
    assert told["log_loss/all/ctr"] == 0.2
    assert told["rows/all/ctr"] == 200
    assert told["over_champion/all/ctr"] == pytest.approx(-expm1(-0.1))
    assert (told["gate/champion"], told["gate/parity"], told["promoted"]) == (0.0, 1.0, 0.0)
    assert (told["window_rows"], told["training_seconds"]) == (12345.0, 61.6)


def test_what_is_undefined_or_had_nothing_to_judge_is_no_metric(mirrored: Mirrored) -> None:
    run = mirrored.runs[0]
    report = run.decision.report
    assert report is not None
    gates = tuple(gate.model_copy(update={"applicable": False}) for gate in run.decision.verdict.gates)
    changed = {
        "verdict": run.decision.verdict.model_copy(update={"gates": gates}),
        "report": report.model_copy(
            update={"metrics": tuple(one.model_copy(update={"auc": None}) for one in report.metrics)}
        ),
    }
    told = metrics(replace(run, decision=run.decision.model_copy(update=changed)))
    assert not [key for key in told if key.startswith(("auc", "gate"))]


def test_records_without_metrics_and_origin_are_told_as_well(mirrored: Mirrored) -> None:
    run = mirrored.runs[0]
    bare = replace(run, origin=None, manifest=None, decision=run.decision.model_copy(update={"report": None}))
    assert metrics(bare) == {"gate/champion": 1.0, "gate/parity": 1.0, "promoted": 1.0}
    assert params(bare) == {"as_of": "2026-01-25", "start": "full retrain"}
    assert "mtmd.bundle_id" not in tags(bare, "tiny", "page")


def test_tags_find_the_run_again_and_say_what_came_of_it(mirrored: Mirrored) -> None:
    run = mirrored.runs[1]
    told = tags(run, "tiny", "http://host/report.html")
    assert told["mtmd.run"] == run.name
    assert told["mtmd.model_id"] == "b1"
    assert told["mtmd.verdict"] == "kept"
    assert told["mtmd.champion"] == "a1"
    assert told["mtmd.gate.champion"] == "fail"
    assert told["mlflow.source.git.commit"] == "c0ffee"
    assert "[Report page](http://host/report.html)" in told["mlflow.note.content"]
    assert "Report page: `/a/path`" in tags(run, "tiny", "/a/path")["mlflow.note.content"]


def test_a_gates_name_is_one_that_mlflow_takes(mirrored: Mirrored) -> None:
    run = mirrored.runs[0]
    gates = (run.decision.verdict.gates[0].model_copy(update={"name": "a/b×test"}),)
    verdict = run.decision.verdict.model_copy(update={"gates": gates})
    told = replace(run, decision=run.decision.model_copy(update={"verdict": verdict}))
    assert metrics(told)["gate/a/b_test"] == 1.0


def test_a_version_is_known_by_its_model_and_content(mirrored: Mirrored) -> None:
    manifest = mirrored.runs[0].manifest
    assert manifest is not None
    assert version_tags(manifest, "tiny") == {
        "mtmd.model_id": "a1",
        "mtmd.bundle_id": manifest.bundle_id,
        "mtmd.line": "tiny",
        "mtmd.as_of": "2026-01-25",
    }
