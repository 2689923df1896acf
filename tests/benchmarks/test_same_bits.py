"""What two records must agree in, and what may differ between two commits."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks.same_bits import _content, _files, main


def _compared(
    tmp_path: Path, before: dict[str, str], after: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> int:
    paths = []
    for name, record in (("before", before), ("after", after)):
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_text(json.dumps(record))
    monkeypatch.setattr(sys, "argv", ["same_bits", "compare", *map(str, paths)])
    return main()


def test_equal_records_end_with_0_and_others_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _compared(tmp_path, {"a": "1"}, {"a": "1"}, monkeypatch) == 0
    assert "1 outputs are equal, 0 are not" in capsys.readouterr().out
    assert (
        _compared(tmp_path, {"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "4", "d": "5"}, monkeypatch) == 1
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["differs  b", "missing  c", "new      d", "1 outputs are equal, 3 are not"]


def test_names_and_times_may_differ_and_bytes_and_values_may_not(tmp_path: Path) -> None:
    def line(name: str, key: str, value: int, weights: bytes) -> dict[str, str]:
        root = tmp_path / name
        place = root / "trained" / f"mtmd-{key}"
        place.mkdir(parents=True)
        (place / "weights.safetensors").write_bytes(weights)
        (place / "fit.json").write_text(json.dumps({"loss": value, "seconds": len(name), "key": key}))
        (place / "manifest.json").write_text(name)  # over how long the training took
        (root / "champion.lock").write_text(name)
        return dict(_files(root))

    first = line("first", "0123456789abcdef", 1, b"weights")
    assert set(first) == {"trained/mtmd-NAME/fit.json#0", "trained/mtmd-NAME/weights.safetensors#0"}
    assert line("second", "fedcba9876543210", 1, b"weights") == first
    assert line("third", "0123456789abcdef", 2, b"weights") != first
    assert line("fourth", "0123456789abcdef", 1, b"Weights") != first


def test_the_model_id_of_a_text_may_differ(tmp_path: Path) -> None:
    digests = set()
    for name in ("20260121-0123456789", "20260121-abcdef0123", "20260122-0123456789"):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({"words": f"{name} is live"}))
        digests.add(_content(path))
    assert len(digests) == 2
