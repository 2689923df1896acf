"""What `mtmd config` prints: a preset's values with their files."""

import tomllib
from pathlib import Path

import pytest

from mtmd.cli import main
from mtmd.config import Preset, load_preset, preset_names
from mtmd.project.settings import as_toml, settings


@pytest.mark.parametrize("name", preset_names())
def test_what_is_printed_is_the_preset(name: str) -> None:
    assert Preset.model_validate(tomllib.loads(as_toml(settings(name)))) == load_preset(name)


def test_each_value_has_the_file_that_says_it(tmp_path: Path) -> None:
    (tmp_path / "below.toml").write_text(
        'base = "tiny"\nname = "below"\n[training]\nepochs = 7\nbatch_requests = 5\n'
    )
    path = tmp_path / "preset.toml"
    path.write_text(
        'base = "below.toml"\nname = "mine"\n[training]\nepochs = 9\n[model.emb_deep]\nctr = 4\n'
        '[left_out]\n2026-01-08 = "lost"\n'
    )
    found = {(setting.table, setting.key): (setting.value, setting.origin) for setting in settings(str(path))}
    assert found["", "name"] == ('"mine"', "this file")
    assert found["", "window_days"] == ("20", "preset tiny")
    assert found["", "sql"] == (None, "default")
    assert found["training", "epochs"] == ("9", "this file")
    assert found["training", "batch_requests"] == ("5", str(tmp_path / "below.toml"))
    assert found["training", "seed"] == ("0", "default")
    assert found["model.emb_deep", "ctr"] == ("4", "this file")
    assert found["model.emb_deep", "gctr"] == ("4", "preset tiny")
    assert found["left_out", "2026-01-08"] == ('"lost"', "this file")


def test_the_command_prints_key_by_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--preset", "five-tasks"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == 'name = "five-tasks"  # this file'
    assert "window_days = 24  # preset demo" in lines
    assert '  { name = "relevance", label = "relevant" },' in lines
