from pathlib import Path

import pytest

from mtmd.config import GatesConfig
from mtmd.errors import ConfigError
from mtmd.evaluate.report import EvaluationReport
from mtmd.export import stage as export_stage
from mtmd.store.files import read_json, write_json
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
    assert report.groups
    assert stored.groups == ()
    for where in (*report.slices, *report.aggregates):
        for bucket in (None, *range(report.buckets)):
            assert stored.get("mtmd", where, bucket) == report.get("mtmd", where, bucket)


def test_an_altered_model_is_made_again_with_a_warning(done: Done, caplog: pytest.LogCaptureFixture) -> None:
    metrics = Path(done.exported.path) / "metrics.json"
    before = metrics.read_bytes()
    metrics.write_text("{}")
    again = export_stage.export(done.plan, done.trained[0], done.evaluated, done.days)
    assert (again.reused, metrics.read_bytes()) == (False, before)
    assert "is made again" in caplog.text
    assert "metrics.json of model" in caplog.text


def test_only_the_mtmd_model_is_exported(done: Done) -> None:
    with pytest.raises(ConfigError, match="only the mtmd model is exported, not 'pooled'"):
        export_stage.export(done.plan, done.trained[2], done.evaluated, done.days)


def _records(done: Done) -> list[Path]:
    return sorted(done.plan.workspace.root.glob("proofs/*.json"))


def test_proofs_are_kept_and_taken_again_under_other_gates(
    done: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _records(done)
    assert export_stage.prove(done.plan, done.exported, done.trained[0], done.days.held_out) == done.proofs
    assert _records(done) == before
    monkeypatch.setattr(GatesConfig, "parity_score", 2e-5)
    assert export_stage.prove(done.plan, done.exported, done.trained[0], done.days.held_out).parity.passed
    assert len(_records(done)) == len(before) + 1


def test_proofs_of_another_model_in_their_place_are_taken_again(done: Done) -> None:
    for record in _records(done):
        proofs = read_json(record)
        write_json(record, proofs | {"parity": proofs["parity"] | {"bundle_id": "f" * 64}}, seal=True)
    proofs = export_stage.prove(done.plan, done.exported, done.trained[0], done.days.held_out)
    assert proofs.parity.bundle_id == done.registry.manifest(done.exported.model_id).bundle_id


def test_proofs_that_fail_are_not_kept(done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _records(done)
    monkeypatch.setattr(GatesConfig, "parity_score", 1e-12)
    assert not export_stage.prove(done.plan, done.exported, done.trained[0], done.days.held_out).parity.passed
    assert _records(done) == before
