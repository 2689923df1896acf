"""What `mtmd config` prints: a preset's values with their files."""

import tomllib
from pathlib import Path

import pytest

from mtmd.cli import main
from mtmd.config import Preset, load_preset, preset_names
from mtmd.project.commands import as_toml


@pytest.mark.parametrize("name", preset_names())
def test_what_is_printed_is_the_preset(name: str) -> None:
    assert Preset.model_validate(tomllib.loads(as_toml(name))) == load_preset(name)


def test_each_value_has_the_file_that_says_it(tmp_path: Path) -> None:
    (tmp_path / "below.toml").write_text(
        'base = "tiny"\nname = "below"\n[training]\nepochs = 7\nbatch_requests = 5\n'
    )
    path = tmp_path / "preset.toml"
    path.write_text(
        'base = "below.toml"\nname = "mine"\n[training]\nepochs = 9\n[model.emb_deep]\nctr = 4\n'
        '[left_out]\n2026-01-08 = "lost"\n'
    )
    lines = as_toml(str(path)).splitlines()
    for line in (
        'name = "mine"  # this file',
        "window_days = 20  # preset tiny",
        "# sql is not set  # default",
        "epochs = 9  # this file",
        f"batch_requests = 5  # {tmp_path / 'below.toml'}",
        "seed = 0  # default",
        "ctr = 4  # this file",
        "gctr = 4  # preset tiny",
        '2026-01-08 = "lost"  # this file',
    ):
        assert line in lines, line


def test_the_command_prints_key_by_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--preset", "scale"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == 'name = "scale"  # this file'
    assert "window_days = 24  # preset demo" in lines
