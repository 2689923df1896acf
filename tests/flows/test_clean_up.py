"""The clean-up flow: it says what goes, and removes it only when told to."""

from pathlib import Path

from mtmd.flows.upkeep import clean_up
from mtmd.store.files import write_text
from tests.flows.runs import AS_OF, LINE, TINY, Run, copied, published


def test_a_dry_run_names_what_the_real_one_removes(first_run: Run, tmp_path: Path) -> None:
    artifacts = copied(first_run.artifacts, tmp_path / "artifacts")
    old = artifacts / LINE / "shards" / "date=2025-01-01" / "f" / "manifest.json"
    write_text(old, "{}")
    state = clean_up(preset=TINY, artifacts=str(artifacts), return_state=True)
    assert old.is_file()
    assert state.state_details.flow_run_id is not None
    text = published(state.state_details.flow_run_id)["clean-up"]
    assert "## 1 outputs, 0.0 MB, would be removed (dry run)" in text
    assert f"date=2025-01-01**: {(AS_OF - AS_OF.replace(2025, 1, 1)).days} days before {AS_OF}" in text
    assert f"kept for rollbacks: {first_run.summary.model_id}." in text
    clean_up(dry_run=False, preset=TINY, artifacts=str(artifacts))
    assert not old.parent.parent.exists()
    assert f">{AS_OF}</a>" in (artifacts / LINE / "index.html").read_text()
    assert first_run.registry.verify(first_run.summary.model_id).is_dir()
