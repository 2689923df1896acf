"""What `mtmd config` prints: a preset's values with their files, and the JSON Schema of a preset's file."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from mtmd.cli import main
from mtmd.config import Preset, load_preset, preset_names
from mtmd.config.preset_files import PRESETS, shipped_presets
from mtmd.project.scaffold import _TEMPLATES
from mtmd.project.settings import as_toml, preset_schema, settings

VALIDATOR = Draft202012Validator(preset_schema())


def messages(preset: dict[str, Any]) -> list[str]:
    return sorted(error.message for error in VALIDATOR.iter_errors(preset))


@pytest.mark.parametrize("name", preset_names())
def test_what_is_printed_is_the_preset_and_as_the_schema_says(name: str) -> None:
    assert Preset.model_validate(tomllib.loads(as_toml(settings(name)))) == load_preset(name)
    assert messages(tomllib.loads(shipped_presets()[name].read_text())) == []


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


def test_the_commands_print_key_by_key_or_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--preset", "five-tasks"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == 'name = "five-tasks"  # this file'
    assert "window_days = 24  # preset demo" in lines
    assert '  { name = "relevance", label = "relevant" },' in lines
    assert main(["config", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out) == preset_schema()


def test_the_preset_of_a_new_project_is_as_the_schema_says() -> None:
    Draft202012Validator.check_schema(preset_schema())
    assert messages(tomllib.loads((_TEMPLATES / "preset.toml").read_text().replace("@name@", "mine"))) == []


def test_on_a_base_a_name_is_enough_and_without_one_everything_is_needed() -> None:
    part = {"base": "demo", "name": "mine", "domains": {"surfaces": ["a"]}, "model": {"cross_rank": 3}}
    assert messages(part) == []
    assert messages({"base": "demo"}) == ["'name' is a required property"]
    whole = tomllib.loads((PRESETS / "tiny.toml").read_text())
    del whole["logs"], whole["domains"]["tasks"]
    assert messages(whole) == ["'logs' is a required property", "'tasks' is a required property"]


def test_elements_of_lists_and_unknown_keys_are_checked_on_a_base_too() -> None:
    preset = {"base": "demo", "name": "mine", "epochs": 3, "features": [{"name": "x", "side": "item"}]}
    assert messages(preset) == [
        "'kind' is a required property",
        "Additional properties are not allowed ('epochs' was unexpected)",
    ]
