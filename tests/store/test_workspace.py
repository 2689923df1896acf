from datetime import date
from pathlib import Path

from mtmd.config import Preset
from mtmd.store.workspace import Workspace


def test_each_preset_has_a_root_of_its_own(tiny_preset: Preset, tmp_path: Path) -> None:
    other = tiny_preset.model_copy(update={"name": "other"})
    assert Workspace.of(tmp_path, tiny_preset).root == tmp_path / "tiny"
    assert Workspace.of(tmp_path, other).root == tmp_path / "other"


def test_a_relative_location_and_a_file_uri_become_absolute(tiny_preset: Preset) -> None:
    assert Workspace.of("artifacts", tiny_preset).root == Path.cwd() / "artifacts" / "tiny"
    assert Workspace.of("file:///data/a", tiny_preset).root == Path("/data/a/tiny")


def test_names_hold_the_day_and_the_start_of_the_key() -> None:
    workspace, key = Workspace(Path("/a")), "0123456789abcdef0123"
    assert workspace.shards == Path("/a/shards")
    assert workspace.validation(date(2026, 1, 2)) == Path("/a/validation/date=2026-01-02")
    assert workspace.trained("mtmd", key) == Path("/a/trained/mtmd-0123456789abcdef")
    assert workspace.work("mtmd", key) == Path("/a/work/mtmd-0123456789abcdef")
    assert workspace.evaluation(key) == Path("/a/evaluations/0123456789abcdef")
    run = workspace.run(date(2026, 1, 2), key, "abcdef0123456789")
    assert run == Path("/a/runs/2026-01-02-0123456789-abcdef")
    assert workspace.proofs(key) == Path("/a/proofs/0123456789abcdef.json")
