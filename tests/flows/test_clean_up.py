"""The clean-up flow: it says what goes, and removes it only when told to."""

from pathlib import Path

import pytest

from mtmd.config.preset_files import PRESETS
from mtmd.errors import StorageError
from mtmd.flows.clean_up import clean_up
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


def test_a_clean_up_that_is_refused_says_that_it_removed_nothing(first_run: Run, tmp_path: Path) -> None:
    artifacts, preset = copied(first_run.artifacts, tmp_path / "artifacts"), tmp_path / "careful.toml"
    write_text(preset, f'base = "{PRESETS / "tiny.toml"}"\nname = "{LINE}"\n[retention]\nmost_share = 1e-6\n')
    old = artifacts / LINE / "shards" / "date=2025-01-01" / "f" / "manifest.json"
    write_text(old, "{}")
    state = clean_up(dry_run=False, preset=str(preset), artifacts=str(artifacts), return_state=True)
    assert state.is_failed()
    with pytest.raises(StorageError, match="would remove 1 of"):
        state.result()
    assert old.is_file()
    assert state.state_details.flow_run_id is not None
    text = published(state.state_details.flow_run_id)["clean-up"]
    assert text.startswith("## ✗ 1 outputs, 0.0 MB, are not removed\n\nNewest run")
    assert "\nMore than \\[retention\\] lets go at once" in text
    allowed = clean_up(
        dry_run=False, preset=str(preset), artifacts=str(artifacts), allow_large=True, return_state=True
    )
    assert allowed.state_details.flow_run_id is not None
    text = published(allowed.state_details.flow_run_id)["clean-up"]
    assert text.startswith("## 1 outputs, 0.0 MB, are removed\n\nNewest run")
    assert not old.exists()
