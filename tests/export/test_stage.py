from pathlib import Path

import onnx
import pytest
from safetensors.torch import load_file, save_file

from mtmd.evaluate.report import EvaluationReport
from mtmd.export import bundle
from mtmd.export import stage as export_stage
from mtmd.export.bundle import export_bundle
from mtmd.model.ranker import TwoTower
from mtmd.store.files import read_json
from mtmd.train.results import WEIGHTS
from mtmd.train.stage import load_trained
from tests.daily import Done


def test_the_manifest_says_what_the_model_was_made_from(done: Done) -> None:
    manifest = done.registry.manifest(done.exported.model_id)
    assert manifest.window == {ref.day: ref.fingerprint for ref in done.days.window}
    assert manifest.held_out == done.days.held_out.fingerprint
    assert manifest.seeds == {"training": 0, "hash": 0}
    assert "torch" in manifest.packages
    assert len([name for name in manifest.files if name.endswith(".onnx")]) == 5


def test_the_stored_metrics_are_the_candidates_own(done: Done) -> None:
    """What rivals and champions do is not in the model's name, so it is not in its files."""
    stored = EvaluationReport.model_validate(read_json(Path(done.exported.path) / "metrics.json"))
    report = done.evaluated.report
    assert (stored.predictors, stored.comparisons, stored.ages) == (("mtmd",), (), {})
    for where in (*report.slices, *report.aggregates):
        for bucket in (None, *range(report.buckets)):
            assert stored.get("mtmd", where, bucket) == report.get("mtmd", where, bucket)


def test_an_altered_model_is_made_again_with_a_warning(done: Done, caplog: pytest.LogCaptureFixture) -> None:
    metrics = Path(done.exported.path) / "metrics.json"
    before = metrics.read_bytes()
    metrics.write_text("{}")
    again = export_stage.export(done.plan, done.trained[0], done.evaluated, done.days)
    assert (again.reused, again.repaired, metrics.read_bytes()) == (False, True, before)
    assert "is made again" in caplog.text
    assert "metrics.json of model" in caplog.text


def test_graphs_that_were_traced_ahead_are_those_of_the_trained_model(
    done: Done, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs: dict[str, onnx.ModelProto] = {}
    monkeypatch.setattr(bundle, "_graphs", graphs)
    export_stage.trace(done.plan)
    ahead = set(graphs)
    model = load_trained(done.plan, done.trained[0])
    assert isinstance(model, TwoTower)
    export_bundle(model, done.plan.preset, tmp_path)
    assert set(graphs) == ahead != set()
    for file in tmp_path.glob("*.onnx"):
        assert file.read_bytes() == (Path(done.exported.path) / file.name).read_bytes()


def test_a_proof_that_held_is_taken_where_it_would_be_the_same_again(
    done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    def proved() -> export_stage.Proofs:
        return export_stage.prove(done.plan, done.exported, done.trained[0], done.days.held_out)

    assert proved() == done.proofs.model_copy(update={"reused": True})
    monkeypatch.setattr(export_stage, "PROOF_FORMAT", export_stage.PROOF_FORMAT + 1)
    assert (proved().reused, proved().reused) == (False, True)
    weights = Path(done.trained[0].path) / WEIGHTS
    save_file({name: tensor * 1.5 for name, tensor in load_file(weights).items()}, weights)
    for _ in range(2):  # what failed is proved again
        again = proved()
        assert (again.reused, again.parity.passed, again.fresh_process.passed) == (False, False, True)
