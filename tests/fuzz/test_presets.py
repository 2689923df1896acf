"""Presets that nobody would write: each is read, or refused with an error that names its file."""

import json
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from mtmd.config import Preset, load_preset
from mtmd.config.preset_files import PRESETS, read_toml
from mtmd.errors import ConfigError
from tests.fuzz.damage import Edit, edits, tears, torn

BASED = """
name = "fuzzed"
base = "tiny"
[training]
epochs = 1
[change_features.user_id]
buckets = 64
[[more_features]]
name = "more"
side = "item"
kind = "continuous"
"""


def value_as_toml(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(key)} = {value_as_toml(own)}' for key, own in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(value_as_toml, value))}]"
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False)


def as_toml(document: Any) -> str:
    if not isinstance(document, dict):
        return value_as_toml(document)
    return "\n".join(f"{json.dumps(key)} = {value_as_toml(value)}" for key, value in document.items())


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "preset.toml"


def read(path: Path, content: bytes) -> Preset | None:
    path.write_bytes(content)
    try:
        return load_preset(str(path))
    except ConfigError as error:
        assert str(path) in str(error)  # noqa: PT017 - it may also read
        return None


@given(changes=tears)
@pytest.mark.parametrize("preset", ["tiny", BASED])
def test_a_torn_preset_is_read_or_refused(path: Path, preset: str, changes: list) -> None:
    read(path, torn(source(preset), changes))


@given(edit=edits)
@pytest.mark.parametrize("preset", ["tiny", BASED])
def test_an_edited_preset_is_read_or_refused(path: Path, preset: str, edit: Edit) -> None:
    path.write_bytes(source(preset))
    read(path, edit.done_to(read_toml(path), as_toml))


def test_a_document_is_the_same_in_the_form_that_is_edited(path: Path) -> None:
    path.write_bytes(source("tiny"))
    assert read(path, as_toml(read_toml(path)).encode()) == load_preset("tiny").model_copy(update={})


def source(preset: str) -> bytes:
    return preset.encode() if "\n" in preset else (PRESETS / f"{preset}.toml").read_bytes()
