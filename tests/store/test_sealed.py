"""Sealed JSON: read without its seal, and refused after any change of its content."""

import json
from pathlib import Path
from typing import Any

import pytest

from mtmd.errors import StorageError
from mtmd.store.files import read_json, write_json
from mtmd.store.sealed import parsed_json, sealed

VALUES: dict[str, Any] = {
    "plain": {"a": 1, "z": [0.1, 1e-7, None, True], "nested": {"b": {}, "c": []}},
    "texts": {
        "words": 'he said "x": y',
        "sign": "search × standard",
        "colon": ": x",
        "lines": "a\n   b",
        "tab\\": 1,
    },
    "only the seal": {},
    "a key that is a seal's": {"inside": {"content_sha256": "0" * 64}, "zz": float("nan")},
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_what_was_sealed_is_read_back_as_it_was(tmp_path: Path, value: dict[str, Any]) -> None:
    place = tmp_path / "record.json"
    write_json(place, value, seal=True)
    assert repr(read_json(place)) == repr(json.loads(json.dumps(value, sort_keys=True)))
    other = json.dumps(sealed(value)).encode()  # laid out in another way, by another program
    assert repr(parsed_json(other, "a record")) == repr(value)


@pytest.mark.parametrize(("was", "now"), [("standard", "shopping"), ("words", "word"), (": 1", ": 1.5")])
def test_changed_content_is_refused(tmp_path: Path, was: str, now: str) -> None:
    place = tmp_path / "record.json"
    write_json(place, VALUES["texts"], seal=True)
    text = place.read_text()
    assert was in text
    place.write_text(text.replace(was, now))
    with pytest.raises(StorageError, match=f"{place} was altered: its content has sha256"):
        read_json(place)
    with pytest.raises(StorageError, match="a record is not valid JSON"):
        parsed_json(b'{"a": ' + b"1" * 5000 + b"}", "a record")
