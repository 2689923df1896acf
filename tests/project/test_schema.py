"""The JSON Schema takes every shipped preset, says what a preset lacks, and asks little where there is a base."""

import json
import tomllib
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from mtmd.cli import main
from mtmd.config.preset_files import PRESETS
from mtmd.project.scaffold import _TEMPLATES
from mtmd.project.schema import preset_schema

VALIDATOR = Draft202012Validator(preset_schema())


def messages(preset: dict[str, Any]) -> list[str]:
    return sorted(error.message for error in VALIDATOR.iter_errors(preset))


@pytest.mark.parametrize("path", sorted(PRESETS.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_presets_are_as_the_schema_says(path: Any) -> None:
    Draft202012Validator.check_schema(preset_schema())
    assert messages(tomllib.loads(path.read_text())) == []


def test_the_preset_of_a_new_project_is_as_the_schema_says() -> None:
    assert messages(tomllib.loads((_TEMPLATES / "preset.toml").read_text().replace("@name@", "mine"))) == []


def test_on_a_base_a_name_is_enough_and_sections_may_be_parts() -> None:
    part = {"base": "demo", "name": "mine", "domains": {"surfaces": ["a"]}, "model": {"leaky_slope": 0.1}}
    assert messages(part) == []
    assert messages({"base": "demo"}) == ["'name' is a required property"]


def test_without_a_base_everything_is_needed() -> None:
    whole = tomllib.loads((PRESETS / "tiny.toml").read_text())
    del whole["logs"], whole["domains"]["tasks"]
    assert messages(whole) == ["'logs' is a required property", "'tasks' is a required property"]


def test_elements_of_lists_and_unknown_keys_are_checked_on_a_base_too() -> None:
    preset = {"base": "demo", "name": "mine", "epochs": 3, "features": [{"name": "x", "side": "item"}]}
    assert messages(preset) == [
        "'kind' is a required property",
        "Additional properties are not allowed ('epochs' was unexpected)",
    ]


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == preset_schema()
